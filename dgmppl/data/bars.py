"""Documents whose topics can be seen: the rows and columns of a square of words."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

__all__ = ["bars"]

SIDE, SHORTEST, LONGEST, MOST = 5, 20, 50, 3


def bars(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Documents of 20 to 50 words out of 25, from one to three of ten topics.

    The words lie in a square of 5 × 5; a topic is a row or a column of it, whose five words are
    alike in it. A document has its topics in equal parts.

    Arguments:
        n: How many documents.
        generator: The source of all randomness.

    Returns:
        Counts `[n, 25]`, and the first topic of each: rows 0 to 4 from above, columns 5 to 9.

    References:
        Finding Scientific Topics, Thomas Griffiths, Mark Steyvers, 2004.
        https://doi.org/10.1073/pnas.0307752101

    Example:
        >>> counts, topic = bars(3, Generator().manual_seed(0))
        >>> counts.shape, bool((counts.sum(1) >= 20).all())
        (torch.Size([3, 25]), True)
    """
    grid = torch.eye(SIDE)[:, :, None].expand(SIDE, SIDE, SIDE)
    topics = torch.cat([grid, grid.transpose(1, 2)]).reshape(2 * SIDE, -1) / SIDE
    order = torch.rand(n, 2 * SIDE, generator=generator).argsort(1)
    number = torch.randint(1, MOST + 1, (n, 1), generator=generator)
    chosen = torch.zeros(n, 2 * SIDE).scatter(1, order, (torch.arange(2 * SIDE) < number).float())
    words = (chosen / number @ topics).multinomial(LONGEST, replacement=True, generator=generator)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (n, 1), generator=generator)
    kept = (torch.arange(LONGEST) < lengths).float()
    return torch.zeros(n, SIDE * SIDE).scatter_add(1, words, kept), order[:, 0]
