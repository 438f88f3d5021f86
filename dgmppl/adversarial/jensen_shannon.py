"""The game of the first GAN, and two other losses for its generator."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dgmppl.adversarial.divergence import Divergence

__all__ = ["JensenShannon", "MaximumLikelihoodGame", "NonSaturating"]


@dataclass(frozen=True)
class JensenShannon(Divergence):
    """The minimax game: the critic is a classifier's logit, the draws lower log(1 − σ(T)).

    At the best critic the game's value is 2 JS − log 4. The gradient fades where the critic is sure
    of draws.

    References:
        Generative Adversarial Networks, Ian Goodfellow et al., 2014.
        https://arxiv.org/abs/1406.2661

    Example:
        >>> import torch
        >>> JensenShannon().log_ratio(torch.tensor(0.5))
        tensor(0.5000)
    """

    def on_data(self, value: Tensor) -> Tensor:
        """log σ(T)."""
        return F.logsigmoid(value)

    def on_draws(self, value: Tensor) -> Tensor:
        """log(1 − σ(T))."""
        return F.logsigmoid(-value)

    def estimate(self, gain: Tensor) -> Tensor:
        """The Jensen–Shannon divergence in nats, 0 to log 2; a lower bound on it."""
        return 0.5 * gain + math.log(2.0)

    def log_ratio(self, value: Tensor) -> Tensor:
        """The logit itself."""
        return value

    @property
    def formula(self) -> str:
        """JS."""
        return "JS"


@dataclass(frozen=True)
class NonSaturating(JensenShannon):
    """The same critic; draws lower −log σ(T), whose gradient does not fade where they are bad."""

    def draws_lose(self, value: Tensor) -> Tensor:
        """−log σ(T)."""
        return -F.logsigmoid(value)

    def data_lose(self, value: Tensor) -> Tensor:
        """−log(1 − σ(T))."""
        return -F.logsigmoid(-value)


@dataclass(frozen=True)
class MaximumLikelihoodGame(JensenShannon):
    """The same critic; draws lower −exp(T): at the best critic the gradient of maximum likelihood.

    References:
        On Distinguishability Criteria for Estimating Generative Models, Ian Goodfellow, 2014.
        https://arxiv.org/abs/1412.6515
    """

    def draws_lose(self, value: Tensor) -> Tensor:
        """−p_data / p_draws."""
        return -value.exp()

    def data_lose(self, value: Tensor) -> Tensor:
        """T: the values beside the data follow KL(data ‖ draws)."""
        return value
