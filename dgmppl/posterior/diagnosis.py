"""What `diagnose` found, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from dgmppl.posterior.arviz_versions import FEWEST_DRAWS

__all__ = ["Diagnosis"]

TRUSTED = 0.7  # k-hat
ACTIVE = 0.01  # Cov_x(E_q[z])


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """How good a guide is, datum by datum and unit by unit.

    Where all latents are shared by the data, what else is `[B]` is `[1]`, of all data together.

    Arguments:
        k_hat: Shape of the importance weights' tail, `[B]`: above 0.7 they cannot be trusted. NaN
            with fewer than 30 draws, or where they take only few values (discrete latents).
        ess: Effective number of draws, (Σ w)² / Σ w², `[B]`, of at most `num_samples`.
        kl: Site → KL(q‖p) of each unit, nats, `[B, units]`; `[1, units]` outside the data plate.
        activity: Site → variance over the data of each unit's mean, `[units]` (Burda et al., 2015).
        elbo: The bound for K = 1, nats, `[B]`.
        bound: The importance-weighted bound for K = `num_samples`, nats, `[B]`: near log p(x) where
            k-hat is small.
        num_samples: Draws a datum.
        num_data: B.
        joint: Whether all latents are shared by the data.
    """

    k_hat: Tensor
    ess: Tensor
    kl: dict[str, Tensor]
    activity: dict[str, Tensor]
    elbo: Tensor
    bound: Tensor
    num_samples: int
    num_data: int
    joint: bool

    @property
    def gap(self) -> Tensor:
        """`bound` − `elbo`, nats, `[B]`: what the guide costs, about KL(q(z|x) ‖ p(z|x))."""
        return self.bound - self.elbo

    @property
    def mean_kl(self) -> dict[str, Tensor]:
        """Site → mean KL of each unit over the data, nats, `[units]`."""
        return {name: kl.mean(0) for name, kl in self.kl.items()}

    @property
    def active_units(self) -> dict[str, int]:
        """Site → how many units' means vary over the data: Cov_x(E_q[z]) > 0.01."""
        return {name: int((values > ACTIVE).sum()) for name, values in self.activity.items()}

    @property
    def verdict(self) -> str:
        """A few sentences."""
        units = [
            f"{self.active_units[name]} of {len(values)} units of {name} are active."
            for name, values in self.activity.items()
        ]
        return " ".join([self._trust(), self._draws(), *units, self._price()])

    def __str__(self) -> str:
        return self.verdict

    def _trust(self) -> str:
        """What k-hat says."""
        known = self.k_hat[~self.k_hat.isnan()]
        if not len(known):
            if self.num_samples < FEWEST_DRAWS:
                return f"k-hat needs at least {FEWEST_DRAWS} draws, got {self.num_samples}."
            return "k-hat is unknown: the importance weights take only few values."
        good = float((known < TRUSTED).double().mean())
        start = f"k-hat of the weights of all {self.num_data} data together is {known[0]:.2f}"
        if not self.joint:
            count = f"{len(known)} {'datum' if len(known) == 1 else 'data'}"
            start = f"k-hat below {TRUSTED} on {math.floor(100 * good)} % of {count}"
        if good >= 0.9:
            return f"{start}: importance weights can be trusted."
        if good >= 0.5:
            return f"{start}: importance weights can be trusted on those data only."
        return (
            f"{start}: importance weights cannot be trusted. Try a richer guide or more training."
        )

    def _draws(self) -> str:
        name = "Effective" if self.joint else "Median effective"
        return f"{name} sample size: {float(self.ess.median()):.0f} of {self.num_samples}."

    def _price(self) -> str:
        """What the gap says."""
        unit = "nats in all" if self.joint else "nats"
        return f"Gap between K = 1 and K = {self.num_samples}: {float(self.gap.mean()):.2g} {unit}."
