"""The code of a codebook that is nearest to a vector, and how many codes are in use."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nearest", "perplexity"]


@torch.no_grad()
def nearest(vectors: Tensor, codes: Tensor) -> Tensor:
    """The number of the code at the smallest Euclidean distance; the first of equals.

    Arguments:
        vectors: `[*batch, D]`.
        codes: The codebook, `[K, D]`.

    Returns:
        Indices, `[*batch]`. A code is nearest to itself: distances are not taken from rounded
        products.

    Example:
        >>> nearest(torch.tensor([[0.1], [0.8]]), torch.tensor([[0.0], [1.0], [1.0]]))
        tensor([0, 1])
    """
    flat = vectors.reshape(-1, vectors.shape[-1]).to(codes.dtype)
    distances = torch.cdist(flat, codes, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.argmin(-1).reshape(vectors.shape[:-1])


def perplexity(indices: Tensor, num_codes: int) -> Tensor:
    """exp(−Σ_k f_k log f_k) of the codes' shares f: K if all are used alike, 1 if only one is.

    Arguments:
        indices: Any shape.
        num_codes: K.

    Example:
        >>> perplexity(torch.tensor([0, 0, 3, 3]), 8)
        tensor(2.)
    """
    each = torch.full((indices.numel(),), 1 / indices.numel(), device=indices.device)
    share = each.new_zeros(num_codes).index_add_(0, indices.flatten(), each)
    return (-torch.xlogy(share, share).sum()).exp()
