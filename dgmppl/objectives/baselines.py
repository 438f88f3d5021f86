"""What a draw is measured against when it is rewarded: baselines of the score function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.data.nested import flat_numbers

__all__ = ["Baseline", "Expected", "InputDependent", "LeaveOneOut", "MovingAverage"]


class Expected(nn.Module):
    """What a baseline keeps: it expects a reward before the draw is seen."""

    def forward(self, site: str, reward: Tensor, x: Any) -> tuple[Tensor | float, Tensor | float]:
        """What to subtract, and the baseline's own loss.

        Arguments:
            site: The guide's site.
            reward: What each draw of it gave, `[K, B]`, or `[K, 1]` where it is shared by the data;
                without gradients.
            x: The batch.

        Returns:
            The expected reward, a number, `[B]` or a table, independent of the same particle's
            draw; and a scalar whose gradient teaches it.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Baseline(ABC):
    """An expectation of rewards. It lowers the score function's variance and leaves its mean."""

    @abstractmethod
    def state(self, sites: tuple[str, ...], x: Any) -> Expected:
        """A module that keeps and learns it.

        Arguments:
            sites: The guide's scored sites.
            x: A batch.
        """


class _Mean(Expected):
    """A running mean a site, corrected for its start at zero."""

    total: Tensor
    weight: Tensor

    def __init__(self, sites: tuple[str, ...], decay: float):
        super().__init__()
        self.row = {site: i for i, site in enumerate(sites)}
        self.decay = decay
        self.register_buffer("total", torch.zeros(len(sites), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(len(sites), dtype=torch.float64))

    def forward(self, site: str, reward: Tensor, x: Any) -> tuple[Tensor | float, Tensor | float]:
        i = self.row[site]
        expected = self.total[i] / self.weight[i].clamp_min(torch.finfo(torch.float64).tiny)
        if self.training:
            self.total[i] = self.decay * self.total[i] + (1 - self.decay) * reward.mean()
            self.weight[i] = self.decay * self.weight[i] + (1 - self.decay)
        return expected.to(reward), 0.0


@dataclass(frozen=True)
class MovingAverage(Baseline):
    """The mean reward of former steps, a site.

    Arguments:
        decay: Share of the past that is kept at each step.

    Example:
        >>> mean = MovingAverage(decay=0.5).state(("z",), None)
        >>> [float(mean("z", torch.tensor([[4.0]]), None)[0]) for _ in range(3)]
        [0.0, 4.0, 4.0]
    """

    decay: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"Expected a decay in [0, 1), got {self.decay}. Try 0.9.")

    def state(self, sites: tuple[str, ...], x: Any) -> Expected:
        """The running means."""
        return _Mean(sites, self.decay)


class _Network(Expected):
    """A network of the data beside a running mean, for rewards of single data."""

    def __init__(self, sites: tuple[str, ...], x: Any, hidden_features: int, decay: float):
        super().__init__()
        self.mean = _Mean(sites, decay)
        flat = flat_numbers(x)
        self.net = nn.Sequential(
            nn.Linear(flat.shape[-1], hidden_features),
            nn.Tanh(),
            nn.Linear(hidden_features, len(sites)),
        ).to(flat)

    def forward(self, site: str, reward: Tensor, x: Any) -> tuple[Tensor | float, Tensor | float]:
        expected, _ = self.mean(site, reward, x)
        if reward.shape[1] == 1:
            return expected, 0.0
        learned = self.net(flat_numbers(x))[:, self.mean.row[site]]
        loss = (reward - expected - learned).square().mean() if self.training else 0.0
        return expected + learned.detach(), loss


@dataclass(frozen=True)
class InputDependent(Baseline):
    """A mean and a network of the data that predicts each datum's reward: NVIL.

    The network is learned with the program, by squared error, as the role "baseline".

    Arguments:
        hidden_features: Width of its hidden layer.
        decay: Of the mean.

    References:
        Neural Variational Inference and Learning in Belief Networks, Andriy Mnih and Karol Gregor,
        2014. https://arxiv.org/abs/1402.0030

    Example:
        >>> x = torch.ones(3, 4)
        >>> expected, loss = InputDependent().state(("z",), x)("z", torch.ones(1, 3), x)
        >>> expected.shape, loss.shape
        (torch.Size([3]), torch.Size([]))
    """

    hidden_features: int = 100
    decay: float = 0.9

    def state(self, sites: tuple[str, ...], x: Any) -> Expected:
        """The network and the running means."""
        return _Network(sites, x, self.hidden_features, self.decay)


class _Others(Expected):
    def forward(self, site: str, reward: Tensor, x: Any) -> tuple[Tensor | float, Tensor | float]:
        number = len(reward)
        return (reward.sum(0) - reward) / max(number - 1, 1), 0.0


@dataclass(frozen=True)
class LeaveOneOut(Baseline):
    """The mean reward of the same datum's other particles; needs several of them.

    References:
        Buy 4 REINFORCE Samples, Get a Baseline for Free!, Wouter Kool, Herke van Hoof, Max Welling,
        2019. https://openreview.net/forum?id=r1lgTGL5DE

    Example:
        >>> LeaveOneOut().state(("z",), None)("z", torch.tensor([[1.0], [3.0]]), None)[0].tolist()
        [[3.0], [1.0]]
    """

    def state(self, sites: tuple[str, ...], x: Any) -> Expected:
        """Nothing is kept."""
        return _Others()
