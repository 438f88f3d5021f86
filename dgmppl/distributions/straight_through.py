"""Discrete distributions whose draws pass on the gradient of a smooth stand-in."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pyro.distributions import Bernoulli, OneHotCategorical
from torch import Tensor

__all__ = ["StraightThroughBernoulli", "StraightThroughOneHotCategorical", "hard"]


def hard(value: Tensor, soft: Tensor) -> Tensor:
    """`value` going forwards, `soft` going backwards.

    Example:
        >>> soft = torch.tensor(0.3, requires_grad=True)
        >>> drawn = hard(torch.tensor(1.0), 2 * soft)
        >>> drawn.backward()
        >>> drawn.item(), soft.grad.item()
        (1.0, 2.0)
    """
    return value.detach() + (soft - soft.detach())


class StraightThroughBernoulli(Bernoulli):
    """A Bernoulli whose draws h = [u > 0], u = logits + logistic noise, have ∂h := ∂σ(u/T).

    The gradient is biased: it is that of the relaxed draw, taken at the discrete one.

    Arguments:
        temperature: T; high is smooth and more biased, low has more variance.
        logits: Log-odds.

    References:
        Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation,
        Yoshua Bengio, Nicholas Léonard, Aaron Courville, 2013. https://arxiv.org/abs/1308.3432
        Categorical Reparameterization with Gumbel-Softmax, Eric Jang, Shixiang Gu, Ben Poole, 2016.
        https://arxiv.org/abs/1611.01144

    Example:
        >>> h = StraightThroughBernoulli(1.0, logits=torch.zeros(3, requires_grad=True)).rsample()
        >>> set(h.tolist()) <= {0.0, 1.0}, h.requires_grad
        (True, True)
    """

    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: Any = None):
        super().__init__(logits=logits, validate_args=validate_args)
        self.temperature = temperature

    def expand(self, batch_shape: Any, _instance: Any = None) -> StraightThroughBernoulli:
        """The same distribution for a larger batch."""
        return StraightThroughBernoulli(self.temperature, self.logits.expand(batch_shape), False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Zeros and ones, with gradients."""
        shape = torch.Size(sample_shape) + self.batch_shape
        uniform = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device)
        noisy = self.logits + torch.logit(uniform, eps=torch.finfo(uniform.dtype).tiny)
        return hard((noisy > 0).to(noisy), torch.sigmoid(noisy / self.temperature))


class StraightThroughOneHotCategorical(OneHotCategorical):
    """One of several, drawn by Gumbel noise, with the gradient of softmax(·/T) of the noisy logits.

    Arguments:
        temperature: T.
        logits: Log-weights, `[*batch, C]`.

    References:
        Categorical Reparameterization with Gumbel-Softmax, Eric Jang, Shixiang Gu, Ben Poole, 2016.
        https://arxiv.org/abs/1611.01144

    Example:
        >>> StraightThroughOneHotCategorical(1.0, logits=torch.zeros(3)).rsample().sum().item()
        1.0
    """

    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: Any = None):
        super().__init__(logits=logits, validate_args=validate_args)
        self.temperature = temperature

    def expand(self, batch_shape: Any, _instance: Any = None) -> StraightThroughOneHotCategorical:
        """The same distribution for a larger batch."""
        logits = self.logits.expand(*batch_shape, self.event_shape[0])
        return StraightThroughOneHotCategorical(self.temperature, logits, False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """One-hot vectors, with gradients."""
        shape = torch.Size(sample_shape) + self.batch_shape + self.event_shape
        noise = torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device)
        soft = ((self.logits - noise.exponential_().log()) / self.temperature).softmax(-1)
        index = soft.argmax(-1, keepdim=True)
        return hard(torch.zeros_like(soft).scatter(-1, index, 1.0), soft)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability, linear in the value so that gradients reach it."""
        return (value * F.log_softmax(self.logits, -1)).sum(-1)
