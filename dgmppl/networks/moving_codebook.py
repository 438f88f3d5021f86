"""A codebook whose codes are running means of the vectors that choose them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MovingCodebook"]


class MovingCodebook(nn.Module):
    """Codes that follow the vectors nearest to them, without a gradient.

    With n_k vectors of a batch at code k and m_k their sum,

        N_k ← γ N_k + (1 − γ) n_k,    M_k ← γ M_k + (1 − γ) m_k,    e_k = M_k / N_k :

    online k-means. A code that falls out of use (N_k below a share of the mean) starts anew at a
    vector of the batch, taken at random. It takes the place of an `nn.Embedding`, whose `weight` a
    gradient moves.

    Arguments:
        num_codes: K.
        code_dim: D.
        decay: γ, how much of the past a step keeps.
        restart: The share of the mean use below which a code starts anew; 0 never does.

    Attributes:
        weight: The codes e, `[K, D]`.

    References:
        Neural Discrete Representation Learning, appendix, Aäron van den Oord, Oriol Vinyals, Koray
        Kavukcuoglu, 2017. https://arxiv.org/abs/1711.00937 Jukebox: A Generative Model for Music
        (random restarts), Prafulla Dhariwal et al., 2020. https://arxiv.org/abs/2005.00341

    Example:
        >>> codebook = MovingCodebook(num_codes=2, code_dim=1, decay=0.0, restart=0.0)
        >>> codebook.update(torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]))
        >>> codebook.weight.tolist()
        [[1.5], [9.0]]
    """

    def __init__(self, num_codes: int, code_dim: int, decay: float = 0.99, restart: float = 0.1):
        super().__init__()
        if not 0 <= decay < 1 or not 0 <= restart < 1:
            raise ValueError(
                f"Expected decay and restart in [0, 1), got {decay} and {restart}. Try 0.99, 0.1."
            )
        self.decay, self.restart = decay, restart
        self.register_buffer("weight", torch.randn(num_codes, code_dim))
        self.register_buffer("counts", torch.ones(num_codes))
        self.register_buffer("sums", self.weight.clone())

    weight: Tensor
    counts: Tensor
    sums: Tensor

    def forward(self, indices: Tensor) -> Tensor:
        """`[*batch]` → `[*batch, D]`."""
        return self.weight[indices]

    @torch.no_grad()
    def update(self, vectors: Tensor, indices: Tensor) -> None:
        """Moves the codes once.

        Arguments:
            vectors: `[*batch, D]`.
            indices: Their nearest codes, `[*batch]`.
        """
        vectors, indices = vectors.flatten(0, -2).to(self.weight.dtype), indices.flatten()
        ones = torch.ones_like(vectors[:, 0])
        number = torch.zeros_like(self.counts).index_add_(0, indices, ones)
        total = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.lerp_(number, 1 - self.decay)
        self.sums.lerp_(total, 1 - self.decay)
        # a code without vectors stays where it is to the bit, though counts and sums fade
        self._place(number > 0, self.sums / self.counts[:, None])
        self._restart(vectors)

    def _restart(self, vectors: Tensor) -> None:
        """Gives unused codes a vector of the batch, and the mean use."""
        mean = self.counts.mean()
        unused = self.counts < self.restart * mean
        chosen = vectors[torch.randint(len(vectors), unused.shape, device=vectors.device)]
        self.counts.copy_(torch.where(unused, mean, self.counts))
        self.sums.copy_(torch.where(unused[:, None], mean * chosen, self.sums))
        self._place(unused, chosen)

    def _place(self, which: Tensor, vectors: Tensor) -> None:
        self.weight.copy_(torch.where(which[:, None], vectors, self.weight))
