"""What a guide loses, in nats, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from dgmppl.posterior.diagnosis import TRUSTED

__all__ = ["Gaps"]


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gap between log p(x) and a guide's bound, datum by datum, in its two parts.

    Arguments:
        elbo: The bound of the guide as it is, nats, `[B]`.
        best_elbo: The bound of the best member of its family for each datum, `[B]`.
        log_evidence: log p(x), estimated by importance weights of that member, or of the guide
            itself where those have the smaller k-hat and it matters, `[B]`.
        amortization_error: Standard error of `amortization`, `[B]`.
        approximation_error: Standard error of `approximation`, `[B]`.
        k_hat: Of those weights, `[B]`: above 0.7 log p(x) lies higher than estimated, and with it
            the approximation gap.
        num_particles: Draws that each was estimated from.
        partly: Sites of whose family only a part was searched, such as the base of a flow.
    """

    elbo: Tensor
    best_elbo: Tensor
    log_evidence: Tensor
    amortization_error: Tensor
    approximation_error: Tensor
    k_hat: Tensor
    num_particles: int
    partly: tuple[str, ...] = ()

    @property
    def amortization(self) -> Tensor:
        """`best_elbo` − `elbo`, nats, `[B]`: what one network for all data costs."""
        return self.best_elbo - self.elbo

    @property
    def approximation(self) -> Tensor:
        """`log_evidence` − `best_elbo`, nats, `[B]`: what the family costs."""
        return self.log_evidence - self.best_elbo

    @property
    def inference(self) -> Tensor:
        """`log_evidence` − `elbo`, nats, `[B]`: KL(q(z|x) ‖ p(z|x))."""
        return self.log_evidence - self.elbo

    @property
    def verdict(self) -> str:
        """A few sentences."""
        whole = round(_mean(self.inference), 2) + 0.0
        parts = [
            f"Of {whole:.2f} nats between log p(x) and the bound, amortisation costs "
            f"{_stated(self.amortization, self.amortization_error)} and the family "
            f"{_stated(self.approximation, self.approximation_error)} ({len(self.elbo)} data)."
        ]
        parts += [self._cure()] * bool(self._cure())
        if self.partly:
            parts.append(
                f"Of {', '.join(self.partly)} only a part of the family was searched (a flow's "
                "base): amortisation costs at least that."
            )
        bad = float((self.k_hat > TRUSTED).double().mean())
        if bad > 0.1:
            parts.append(
                f"k-hat is above {TRUSTED} on {100 * bad:.0f} % of the data: there log p(x), and "
                "what the family costs, is more than was estimated."
            )
        return " ".join(parts)

    def __str__(self) -> str:
        return self.verdict

    def _cure(self) -> str:
        """What would help."""
        amortization, approximation = (_mean(g) for g in (self.amortization, self.approximation))
        error = 3 * math.hypot(_error(self.amortization_error), _error(self.approximation_error))
        if max(amortization, approximation) < error:
            return "Neither is more than chance."
        if amortization > 2 * approximation:
            return "Try a larger network for the guide, or more training of it."
        if approximation > 2 * amortization:
            return "Try a richer family for the guide."
        return ""


def _mean(gap: Tensor) -> float:
    return float(gap.double().mean())


def _error(errors: Tensor) -> float:
    """Standard error of a mean over data from those of the data."""
    return float(errors.double().square().sum().sqrt() / len(errors))


def _stated(gap: Tensor, errors: Tensor) -> str:
    return f"{round(_mean(gap), 2) + 0.0:.2f} ± {_error(errors):.2f}"  # no -0.00
