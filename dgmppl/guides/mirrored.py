"""A Gaussian whose draws come in pairs, one the mirror image of the other."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import Normal
from torch import Tensor

__all__ = ["Mirrored"]


class Mirrored(Normal):
    """N(loc, scale²), each draw as ever, where the second half of the particles mirrors the first.

    Averages over an even number of particles lose the noise of all that is odd around loc: where
    log p is quadratic, all the noise of its slope by loc. Particles are the first dimension.

    References:
        A New Monte Carlo Technique: Antithetic Variates, John Hammersley and Keith Morton, 1956.
        https://doi.org/10.1017/S0305004100031455

    Example:
        >>> z = Mirrored(torch.ones(4, 3, 2), 1.0).rsample()
        >>> torch.allclose(z[:2] + z[2:], torch.full((2, 3, 2), 2.0))
        True
    """

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draws, `[*sample, *batch]`."""
        number, *rest = self._extended_shape(sample_shape)
        half = self.loc.new_empty((number + 1) // 2, *rest).normal_()
        return self.loc + torch.cat([half, -half])[:number] * self.scale
