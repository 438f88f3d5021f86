"""A normalised distribution over sequences, drawn as it is scored."""

from __future__ import annotations

import itertools

import pyro
import pytest
import torch
from torch import Tensor

from dgmppl.distributions import AutoregressiveCategorical

TABLE = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))  # previous (or none) → logits
EVERY = torch.tensor(list(itertools.product(range(3), repeat=4)))  # [81, 4]


def markov(c: Tensor) -> Tensor:
    """Logits from the category before; the first position has none, number 3."""
    previous = torch.cat([torch.full_like(c[..., :1], 3), c[..., :-1]], -1)
    return TABLE[previous]


def chain(*batch: int) -> AutoregressiveCategorical:
    return AutoregressiveCategorical(markov, 4, 3, batch)


def test_probabilities_are_products_of_steps_and_sum_to_one() -> None:
    steps = TABLE.log_softmax(-1)
    by_hand = [
        steps[3, a] + steps[a, b] + steps[b, c] + steps[c, d] for a, b, c, d in EVERY.tolist()
    ]
    torch.testing.assert_close(chain().log_prob(EVERY), torch.stack(by_hand))
    assert chain().log_prob(EVERY).exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_draws_have_these_probabilities() -> None:
    torch.manual_seed(0)
    number = 40_000
    drawn = chain().sample(torch.Size([number]))
    codes = (drawn * torch.tensor([27, 9, 3, 1])).sum(-1)
    share = torch.bincount(codes, minlength=81) / number
    p = chain().log_prob(EVERY).exp()
    assert ((share - p).abs() < 4 * (p * (1 - p) / number).sqrt() + 1e-4).all()


def test_shapes_plates_and_support() -> None:
    assert chain(5).sample(torch.Size([2])).shape == (2, 5, 4)
    assert chain(5).log_prob(EVERY[:, None].expand(-1, 5, -1)).shape == (81, 5)
    with pyro.plate("data", 6):
        assert pyro.sample("c", chain()).shape == (6, 4)
    assert chain().support.is_discrete
    with pytest.raises(ValueError, match="support"):
        AutoregressiveCategorical(markov, 4, 3, validate_args=True).log_prob(EVERY + 1)
