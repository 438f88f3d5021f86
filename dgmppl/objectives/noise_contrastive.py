"""Noise-contrastive estimation: log p as a classifier's log-odds, log Z as a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import logsigmoid

from dgmppl.binding import Binding
from dgmppl.energy import machine_of
from dgmppl.objectives.contrastive import clamped
from dgmppl.objectives.objective import Loss, Phase, Progress
from dgmppl.objectives.score_matching import ScoreMatching

__all__ = ["NoiseContrastive", "NoiseMoments"]


class NoiseMoments(nn.Module):
    """The noise, a Gaussian at the moments of the first batch, and log Z.

    Arguments:
        data: Layer → states `[B, *event]`.
        spread: Of the noise, in standard deviations of the data.
    """

    log_z: nn.Parameter

    def __init__(self, data: dict[str, Tensor], spread: float):
        super().__init__()
        self.names = [*data]
        self.log_z = nn.Parameter(next(iter(data.values())).new_zeros(()))
        for name, value in data.items():
            self.register_buffer(f"loc_{name}", value.mean(0))
            self.register_buffer(f"scale_{name}", spread * value.std(0).clamp(min=1e-3))

    def of(self, name: str) -> Normal:
        """The noise of a layer."""
        return Normal(self.get_buffer(f"loc_{name}"), self.get_buffer(f"scale_{name}"))


@dataclass(frozen=True)
class NoiseContrastive(ScoreMatching):
    """E_data[log σ(r)] + ν E_noise[log σ(−r)], r = log-factor − log Z − log p_noise − log ν.

    The classifier that tells data from noise best is the density itself, log Z included, which is
    learned beside the program; the reported terms show it. The noise is a Gaussian with the moments
    of the first batch; it has to be everywhere where data are.

    Arguments:
        ratio: ν, draws of noise a datum.
        spread: Of the noise, in standard deviations of the data.

    References:
        Noise-Contrastive Estimation, Michael Gutmann, Aapo Hyvärinen, 2010.
        https://proceedings.mlr.press/v9/gutmann10a.html

    Example:
        >>> print(NoiseContrastive(ratio=5))
        E_data[log σ(r)] + 5·E_noise[log σ(−r)]
    """

    ratio: int = 1
    spread: float = 1.0
    measure = "classification"

    def __post_init__(self) -> None:
        if self.ratio < 1 or self.spread <= 0:
            raise ValueError(
                f"Expected a ratio of at least 1 and a positive spread, got {self.ratio} and "
                f"{self.spread}. Try NoiseContrastive()."
            )

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The model, and log Z beside it."""
        return (Phase(("model", "baseline"), self.loss),)

    def state(self, binding: Binding, x: Any) -> nn.Module:
        """The noise and log Z."""
        super().state(binding, x)
        return NoiseMoments(clamped(binding, x), self.spread)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """The classifier's loss a datum."""
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        kept = progress.state
        moments = kept if isinstance(kept, NoiseMoments) else NoiseMoments(data, self.spread)
        number = self.ratio * len(next(iter(data.values())))
        noise = {n: moments.of(n).sample((number,)) for n in data}
        hidden = [n for n in machine.layers if n not in data]

        def odds(states: dict[str, Tensor]) -> Tensor:
            log_p = machine.marginal(machine.filled(states), hidden) - moments.log_z
            for name, value in states.items():
                log_p = log_p - moments.of(name).log_prob(value).flatten(1).sum(1)
            return log_p - torch.tensor(float(self.ratio)).log()

        value = logsigmoid(odds(data)).mean() + self.ratio * logsigmoid(-odds(noise)).mean()
        return Loss(-value, value.detach(), {"log_z": moments.log_z.detach()})

    @property
    def formula(self) -> str:
        """The classifier's likelihood."""
        times = f"{self.ratio}·" if self.ratio > 1 else ""
        return f"E_data[log σ(r)] + {times}E_noise[log σ(−r)]"

    @property
    def latex(self) -> str:
        """The classifier's likelihood."""
        return (
            r"\mathbb{E}_{\mathrm{data}}[\log\sigma(r)]"
            rf"+{self.ratio}\,\mathbb{{E}}_{{\mathrm{{noise}}}}[\log\sigma(-r)]"
        )
