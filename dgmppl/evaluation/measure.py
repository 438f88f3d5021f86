"""A figure of how far draws are from data, with its error and its limits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Measure"]


@dataclass(frozen=True)
class Measure:
    """One figure.

    Arguments:
        name: What was measured.
        value: The figure.
        standard_error: Its standard error over samples; NaN where none is known.
        caution: What it does not tell.
        p_value: Of the hypothesis that draws and data have one distribution; `None` where it is not
            tested.

    Example:
        >>> print(Measure("energy distance", 0.1234, 0.0056, "blind to …", p_value=0.01))
        energy distance 0.1234 ± 0.0056, p = 0.01 (blind to …)
    """

    name: str
    value: float
    standard_error: float
    caution: str
    p_value: float | None = None

    def __str__(self) -> str:
        tested = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        return f"{self.name} {self.value:.4g} ± {self.standard_error:.2g}{tested} ({self.caution})"
