"""A point mass at the codes nearest to some vectors."""

from __future__ import annotations

from typing import Any

from pyro.distributions import Delta
from torch import Tensor

from dgmppl.distributions.nearest import nearest

__all__ = ["Quantized"]


class Quantized(Delta):
    """Every vector is replaced by the nearest code of a codebook: one value, no randomness.

    Gradients at a draw go straight through to the vectors, as if these had been the draw: an
    approximation that lets an encoder learn. They also go to the chosen codes, where they are the
    true derivative (the paper leaves this one out).

    On a discrete site it is an honest guide: it gives its draw the probability 1, so that
    log p(x, z) is a lower bound on log p(x).

    Arguments:
        vectors: h, `[*batch, *positions, D]`.
        codes: The codebook e, `[K, D]`.
        event_dim: How many of the rightmost dimensions form one event, D's among them.

    Attributes:
        indices: The chosen codes, `[*batch, *positions]`.
        chosen: Their vectors, `[*batch, *positions, D]`.

    References:
        Neural Discrete Representation Learning, Aäron van den Oord, Oriol Vinyals, Koray
        Kavukcuoglu, 2017. https://arxiv.org/abs/1711.00937

    Example:
        >>> import torch
        >>> h = torch.tensor([[0.2], [0.9]], requires_grad=True)
        >>> z = Quantized(h, torch.tensor([[0.0], [1.0]])).rsample()
        >>> z.detach().tolist(), torch.autograd.grad(3 * z.sum(), h)[0].tolist()
        ([[0.0], [1.0]], [[3.0], [3.0]])
    """

    def __init__(
        self, vectors: Tensor, codes: Tensor, event_dim: int = 2, validate_args: Any = None
    ):
        self.vectors, self.codes = vectors, codes
        self.indices = nearest(vectors, codes)
        self.chosen = codes[self.indices]
        straight_through = self.chosen + (vectors - vectors.detach())
        super().__init__(straight_through, event_dim=event_dim, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Quantized:
        """The same points for a larger batch."""
        new = super().expand(batch_shape, self._get_checked_instance(Quantized, _instance))
        new.codes = self.codes
        new.indices = self.indices.expand(new.v.shape[:-1])
        new.vectors, new.chosen = self.vectors.expand_as(new.v), self.chosen.expand_as(new.v)
        return new
