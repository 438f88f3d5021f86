"""The nearest code by brute force, and what perplexity counts."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical

from dgmppl.distributions import nearest, perplexity


@pytest.mark.parametrize("batch", [(), (7,), (2, 3, 4)])
def test_it_is_the_nearest(batch: tuple[int, ...]) -> None:
    vectors, codes = torch.randn(*batch, 3), torch.randn(11, 3)
    each = torch.stack([(vectors - code).square().sum(-1) for code in codes], -1)
    assert torch.equal(nearest(vectors, codes), each.argmin(-1))


def test_a_code_is_nearest_to_itself_however_close_the_others_are() -> None:
    """Distances by products, |a|² + |b|² − 2ab, would mistake these."""
    codes = 100 + 1e-4 * torch.randn(64, 30)
    assert torch.equal(nearest(codes, codes), torch.arange(64))
    assert nearest(codes[5], torch.cat([codes, codes])) == 5


def test_perplexity_is_the_exponential_of_the_entropy() -> None:
    indices = torch.randint(0, 5, (30, 4))
    share = torch.stack([(indices == k).float().mean() for k in range(9)])
    torch.testing.assert_close(perplexity(indices, 9), Categorical(share).entropy().exp())
    assert perplexity(torch.arange(8), 8) == pytest.approx(8)
    assert perplexity(torch.full((6,), 3), 8) == 1
