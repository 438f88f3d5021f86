"""An implicit program as one with a density, by noise on what is observed."""

from __future__ import annotations

from typing import Any

from torch import nn

from dgmppl.handlers import Blur
from dgmppl.program import Program, guide_of

__all__ = ["ObservedWithNoise"]


class ObservedWithNoise(Program):
    """The same program, whose implicit sites are observed with Gaussian noise.

    Its log p(x) is that of draws + N(0, scale²): a property of the noise as much as of the program,
    and comparable at equal noise only.

    Arguments:
        program: The program; parameters are shared.
        scale: The noise's standard deviation, in the data's units.

    References:
        On the Quantitative Analysis of Decoder-Based Generative Models, Yuhuai Wu et al., 2016.
        https://arxiv.org/abs/1611.04273
    """

    def __init__(self, program: nn.Module, scale: float):
        super().__init__()
        if not scale > 0.0:
            raise ValueError(f"Expected an observation noise above 0, got {scale}. Try 0.1.")
        self.program, self.scale = program, scale
        self.data_plate = getattr(program, "data_plate", None)
        self.vectorized = getattr(program, "vectorized", True)
        self.guide = guide_of(program)

    def model(self, x: Any = None, n: int = 1) -> Any:
        """The program's model with its draws blurred."""
        with Blur(self.scale):
            return self.program.model(x, n)  # type: ignore[operator]
