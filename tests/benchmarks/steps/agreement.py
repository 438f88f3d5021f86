"""Whether contenders compute the same numbers; if not, there is nothing to time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .registry import CONTENDERS, REFERENCE

__all__ = ["DisagreementError", "check_agreement"]

Bounds = Mapping[str, Sequence[float]]


class DisagreementError(AssertionError):
    """Contenders that do not compute the same bound."""


def check_agreement(draws: Bounds, learning: Bounds) -> None:
    """Raises DisagreementError unless bounds and gradients are those of the reference.

    Arguments:
        draws: Contender → independent estimates for one batch at the initial parameters.
        learning: Contender → bounds along the first steps, over the same batches.
    """
    _check_draws(draws)
    _check_learning(learning)


def _check_draws(bounds: Bounds) -> None:
    """Bounds of one batch at the same parameters have one mean, within four standard errors."""
    base = np.asarray(bounds[REFERENCE])
    for name, values in bounds.items():
        difference = np.mean(values) - base.mean()
        error = np.hypot(_standard_error(values), _standard_error(base))
        # what float32 may lose where a bound has no noise
        if not abs(difference) <= 4 * error + 1e-5 * abs(base.mean()):
            raise DisagreementError(
                f"'{CONTENDERS[name].label}' has a bound of {np.mean(values):.4f} nats at the "
                f"initial parameters, '{CONTENDERS[REFERENCE].label}' {base.mean():.4f} (standard "
                f"error of the difference {error:.4f}). Try comparing their losses term by term."
            )


def _check_learning(bounds: Bounds, tolerance: float = 0.15) -> None:
    """Bounds along the first steps, from one start over the same batches, differ by noise only.

    The mean difference over the later half of the steps may be four standard errors (of steps taken
    as independent) and a part of what was gained, since paths that differ by noise part: those of
    one contender from several seeds by up to a tenth (the convolutional VAE). Parameters that stand
    still, or another optimizer, make more of a difference.
    """
    base = np.asarray(bounds[REFERENCE])
    later = slice(len(base) // 2, None)
    gain = abs(base[later].mean() - base[0])
    for name, values in bounds.items():
        apart = (np.asarray(values) - base)[later]
        if not abs(apart.mean()) <= 4 * _standard_error(apart) + tolerance * gain:
            raise DisagreementError(
                f"'{CONTENDERS[name].label}' learns otherwise than "
                f"'{CONTENDERS[REFERENCE].label}': its bound is {apart.mean():+.3f} nats apart "
                f"after steps that gained {gain:.3f}. Try comparing gradients and optimizers."
            )


def _standard_error(values: Sequence[float] | np.ndarray) -> float:
    return float(np.std(values, ddof=1) / len(values) ** 0.5)
