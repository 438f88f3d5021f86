"""The ratio of two densities that are known by samples only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.adversarial import Divergence, JensenShannon
from dgmppl.evaluation.measure import Measure
from dgmppl.inference import fit
from dgmppl.objectives import Adversarial
from dgmppl.program import Program
from dgmppl.sites import data_plate, implicit
from dgmppl.traces import evaluating

__all__ = ["DensityRatio", "density_ratio"]


@dataclass(frozen=True)
class DensityRatio:
    """A critic that has learned a ratio of densities.

    Arguments:
        critic: The network.
        divergence: What it was learned by.
        measure: The divergence, on samples that were held out: a lower bound, up to its error.
    """

    critic: nn.Module
    divergence: Divergence
    measure: Measure

    @torch.no_grad()
    def log_ratio(self, x: Tensor) -> Tensor:
        """log p_data(x) − log p_draws(x), as far as the critic knows, `[B]`.

        Arguments:
            x: `[B, …]`.

        Raises:
            NotImplementedError: If critics of this divergence do not tell it.
        """
        with evaluating(self.critic):
            return self.divergence.log_ratio(self.critic(x))


def density_ratio(
    data: Tensor,
    draws: Tensor,
    critic: nn.Module | None = None,
    *,
    divergence: Divergence | None = None,
    held_out: float = 0.25,
    epochs: int = 60,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    device: str = "auto",
    seed: int = 0,
) -> DensityRatio:
    """Learns log p_data − log p_draws from samples, and bounds a divergence by it.

    Arguments:
        data: `[n, …]`.
        draws: `[n, …]`, as many.
        critic: From `[B, …]` to `[B]`; `None` takes a network with two hidden layers of 64.
        divergence: The divergence; `None` takes `JensenShannon()`, whose critic is a classifier.
        held_out: The share of samples that the divergence is found on.
        epochs: Passes over the rest.
        batch_size: Samples of each kind a step.
        learning_rate: Of Adam; it falls to 0.
        device: As of `fit`.
        seed: Of the order; initial parameters take the present state.

    References:
        Density Ratio Estimation in Machine Learning, Masashi Sugiyama, Taiji Suzuki, Takafumi
        Kanamori, 2012. https://doi.org/10.1017/CBO9781139035613

    Example:
        >>> x = torch.randn(2, 2000, 1, generator=torch.Generator().manual_seed(0))
        >>> _ = torch.manual_seed(0)
        >>> ratio = density_ratio(x[0], x[1] + 1.0, epochs=20)
        >>> bool(ratio.log_ratio(torch.tensor([[-1.0]])) > 1.0)  # it is 1.5
        True
    """
    if data.shape != draws.shape:
        raise ValueError(
            f"Expected as many draws as data, got shapes {tuple(draws.shape)} and "
            f"{tuple(data.shape)}. Try data[:n] and draws[:n]."
        )
    divergence = JensenShannon() if divergence is None else divergence
    kept = len(data) - max(2, round(held_out * len(data)))
    run = fit(
        _Two(_network(data[0].numel()) if critic is None else critic),
        {"data": data[:kept], "draws": draws[:kept]},
        Adversarial("x", divergence),
        optimizer=partial(torch.optim.Adam, lr=learning_rate),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs),
        epochs=epochs,
        batch_size=batch_size,
        device=device,
        seed=seed,
        progress=False,
    )
    learned: Any = run.program.critic
    return DensityRatio(learned, divergence, _held(learned, divergence, data[kept:], draws[kept:]))


class _Two(Program):
    """Draws that come with the data; only the critic has parameters."""

    def __init__(self, critic: nn.Module):
        super().__init__()
        self.critic = critic

    def model(self, x: Any = None, n: int = 1) -> Tensor:
        """The site x, of which a batch holds both sides."""
        with data_plate(x, n):
            return implicit("x", x["draws"], obs=x["data"], event_dim=x["data"].dim() - 1)


def _network(numbers: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(1),
        nn.Linear(numbers, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 1),
        nn.Flatten(0),
    )


@torch.no_grad()
def _held(critic: nn.Module, divergence: Divergence, data: Tensor, draws: Tensor) -> Measure:
    """The divergence on samples that the critic has not seen."""
    place = next((p.device for p in critic.parameters()), data.device)
    with evaluating(critic):
        gains = (
            divergence.on_data(critic(data.to(place))).double(),
            divergence.on_draws(critic(draws.to(place))).double(),
        )
    value = divergence.estimate(gains[0].mean() + gains[1].mean())
    slope = float(
        divergence.estimate(value.new_ones(())) - divergence.estimate(value.new_zeros(()))
    )
    error = abs(slope) * math.sqrt(sum(float(gain.var()) / len(gain) for gain in gains))
    caution = "a lower bound; a weak critic sees less"
    return Measure(f"{divergence.formula}(data ‖ draws)", float(value), error, caution)
