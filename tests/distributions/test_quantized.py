"""A draw is the nearest code; its gradient goes to the vector as it is, and to the code."""

from __future__ import annotations

import torch

from dgmppl.distributions import Quantized, nearest


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Quantized]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(5, 4, 3, generator=generator).requires_grad_()
    codes = torch.randn(6, 3, generator=generator).requires_grad_()
    return vectors, codes, Quantized(vectors, codes)


def test_a_draw_is_the_nearest_code_to_the_bit() -> None:
    vectors, codes, fn = drawn()
    assert torch.equal(fn.rsample(), codes[nearest(vectors, codes)])
    assert torch.equal(fn.rsample(), fn.chosen) and torch.equal(fn.indices, nearest(vectors, codes))


def test_the_gradient_goes_straight_through_to_vectors_and_to_the_chosen_codes() -> None:
    vectors, codes, fn = drawn()
    weight = torch.randn(5, 4, 3)
    to_vectors, to_codes = torch.autograd.grad((weight * fn.rsample()).sum(), [vectors, codes])
    assert torch.equal(to_vectors, weight)
    each = [weight[fn.indices == k].sum(0) for k in range(6)]
    torch.testing.assert_close(to_codes, torch.stack(each))


def test_all_probability_is_at_the_draw() -> None:
    _, _, fn = drawn()
    assert fn.batch_shape == (5,) and fn.event_shape == (4, 3)
    assert torch.equal(fn.log_prob(fn.rsample()), torch.zeros(5))
    assert torch.equal(fn.log_prob(fn.rsample() + 1e-3), torch.full((5,), -torch.inf))


def test_it_expands() -> None:
    _, codes, fn = drawn()
    more = fn.expand([7, 5])
    assert isinstance(more, Quantized) and more.codes is codes
    assert more.rsample().shape == more.vectors.shape == more.chosen.shape == (7, 5, 4, 3)
    assert torch.equal(more.indices[3], fn.indices)
    assert torch.equal(more.log_prob(fn.rsample()), torch.zeros(7, 5))
