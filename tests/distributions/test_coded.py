"""Codes have their indices' probabilities, and nothing else has any."""

from __future__ import annotations

import itertools

import pyro
import pytest
import torch
from pyro.distributions import Categorical

from dgmppl.distributions import Coded

CODES = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
EVERY = torch.tensor(list(itertools.product(range(3), repeat=4)))  # [81, 4]


def prior() -> Coded:
    return Coded(Categorical(logits=LOGITS).to_event(1), CODES)


def test_probabilities_sum_to_one_and_are_the_indices() -> None:
    log_prob = prior().log_prob(CODES[EVERY])
    torch.testing.assert_close(log_prob, prior().base.log_prob(EVERY))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_a_vector_beside_the_codebook_has_probability_zero() -> None:
    value = CODES[EVERY].clone()
    value[7, 2] += 1e-4
    off = torch.arange(81) == 7
    assert torch.equal(prior().log_prob(value) == -torch.inf, off)
    assert torch.equal(prior().support.check(value), ~off)
    assert prior().support.is_discrete and str(prior().support) == "Codes()"


def test_draws_have_these_probabilities() -> None:
    torch.manual_seed(0)
    drawn = prior().sample(torch.Size([20_000]))
    assert drawn.shape == (20_000, 4, 2)
    expected = LOGITS.softmax(-1) @ CODES
    error = (LOGITS.softmax(-1) @ CODES.square() - expected.square()).sqrt() / 20_000**0.5
    assert ((drawn.mean(0) - expected).abs() < 4 * error).all()


def test_gradients_reach_the_indices_distribution_only() -> None:
    logits, codes = LOGITS.clone().requires_grad_(), CODES.clone().requires_grad_()
    fn = Coded(Categorical(logits=logits).to_event(1), codes)
    total = fn.log_prob(fn.sample(torch.Size([5]))).sum()
    grads = torch.autograd.grad(total, [logits, codes], allow_unused=True)
    assert grads[0].abs().sum() > 0 and grads[1] is None


def test_it_stands_in_plates() -> None:
    with pyro.plate("data", 6):
        site = pyro.poutine.trace(lambda: pyro.sample("z", prior())).get_trace().nodes["z"]
    assert site["value"].shape == (6, 4, 2) and site["fn"].log_prob(site["value"]).shape == (6,)
