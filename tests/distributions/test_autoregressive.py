"""Normalised distributions, drawn as they are scored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Categorical, MixtureSameFamily, Normal
from torch import Tensor, nn

from dgmppl.distributions import (
    Autoregressive,
    Coded,
    DiscretizedLogistic,
    MuLawCategorical,
)
from dgmppl.models.transformer import blocks
from dgmppl.networks import (
    AnyOrder,
    GatedPixels,
    MaskedMLP,
    MaskedPixels,
    NextToken,
    Recurrent,
    flatten_batch,
)

TABLE = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))  # previous (or none) → logits
EVERY = torch.tensor(list(itertools.product(range(3), repeat=4)))  # [81, 4]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def markov(c: Tensor) -> Tensor:
    """Logits from the category before; the first position has none, number 3."""
    previous = torch.cat([torch.full_like(c[..., :1], 3), c[..., :-1]], -1)
    return TABLE[previous.long()].double()


def categorical(logits: Tensor) -> Any:
    return Categorical(logits=logits)


def chain(*batch: int) -> Autoregressive:
    return Autoregressive(markov, (4,), categorical, batch_shape=batch)


def shaken(net: nn.Module) -> nn.Module:
    """A network of larger weights, whose pixels depend on each other."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
    return net.double()


def masked_mlp() -> Autoregressive:
    return Autoregressive(shaken(MaskedMLP(6, (30,))), (6,))


def turned_mlp() -> Autoregressive:
    net = shaken(MaskedMLP(6, (30, 30), orders=2))
    return Autoregressive(
        partial(net, which=torch.tensor(1)), (6,), order=net.get_buffer("orders")[1]
    )


def any_order() -> Autoregressive:
    net = shaken(AnyOrder(nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 6))))
    return Autoregressive(net, (6,), order=torch.tensor([4, 2, 0, 1, 5, 3]))


def pictures() -> Autoregressive:
    return Autoregressive(flatten_batch(shaken(MaskedPixels(8, 1))), (1, 2, 3))


def gated_pictures() -> Autoregressive:
    return Autoregressive(flatten_batch(shaken(GatedPixels(8, 2))), (1, 2, 3))


def recurrent() -> Autoregressive:
    body = Recurrent(nn.GRU(5, 5, batch_first=True))
    return Autoregressive(flatten_batch(shaken(NextToken(2, 5, body)), 1), (6,), categorical)


def attention() -> Autoregressive:
    net = shaken(NextToken(2, 8, blocks(6, 8, layers=1, heads=2)))
    return Autoregressive(flatten_batch(net, 1), (6,), categorical)


def groups() -> Autoregressive:
    """Three elements of two pixels each."""
    net = shaken(NextToken(4, 8, blocks(3, 8, layers=1, heads=2), bits=2))
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    factor = lambda logits: Coded(Categorical(logits=logits), codes)  # noqa: E731
    return Autoregressive(flatten_batch(net, 1), (6,), factor, size=2)


BINARY = [
    masked_mlp,
    turned_mlp,
    any_order,
    pictures,
    gated_pictures,
    recurrent,
    attention,
    groups,
]
binary = pytest.mark.parametrize("make", BINARY)


def configurations(shape: torch.Size) -> Tensor:
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=shape.numel())))
    return every.double().reshape(-1, *shape)


def test_probabilities_are_products_of_steps_and_sum_to_one() -> None:
    steps = TABLE.double().log_softmax(-1)
    by_hand = [
        steps[3, a] + steps[a, b] + steps[b, c] + steps[c, d] for a, b, c, d in EVERY.tolist()
    ]
    torch.testing.assert_close(chain().log_prob(EVERY), torch.stack(by_hand))
    assert chain().log_prob(EVERY).exp().sum().item() == pytest.approx(1, abs=1e-6)


@binary
def test_probabilities_sum_to_one(make: Callable[[], Autoregressive]) -> None:
    pixels = make()
    total = pixels.log_prob(configurations(pixels.event_shape)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-10)


@binary
def test_draws_have_these_probabilities(make: Callable[[], Autoregressive]) -> None:
    torch.manual_seed(0)
    number, pixels = 20_000, make()
    drawn = pixels.sample(torch.Size([number])).flatten(1).long()
    share = torch.bincount((drawn * 2 ** torch.arange(5, -1, -1)).sum(-1), minlength=64) / number
    p = pixels.log_prob(configurations(pixels.event_shape)).exp().detach()
    expected = number * p
    chi_square = (number * share - expected).square().div(expected).sum()
    assert chi_square < 63 + 4 * (2 * 63) ** 0.5


def test_draws_of_categories_have_their_probabilities() -> None:
    torch.manual_seed(0)
    number = 40_000
    drawn = chain().sample(torch.Size([number]))
    codes = (drawn * torch.tensor([27, 9, 3, 1])).sum(-1)
    share = torch.bincount(codes, minlength=81) / number
    p = chain().log_prob(EVERY).exp()
    assert ((share - p).abs() < 4 * (p * (1 - p) / number).sqrt() + 1e-4).all()


@binary
def test_networks_walk_to_the_same_draws_as_pass_by_pass(
    make: Callable[[], Autoregressive],
) -> None:
    pixels = make()
    drawn = []
    for _ in range(2):
        torch.manual_seed(7)
        drawn.append(pixels.sample(torch.Size([50])))
        net = pixels.conditionals
        pixels.conditionals = lambda x, net=net: net(x)  # has no walk
    assert torch.equal(*drawn)


@binary
def test_completions_keep_what_is_known_and_follow_the_conditional(
    make: Callable[[], Autoregressive],
) -> None:
    torch.manual_seed(0)
    pixels, number = make(), 20_000
    order = torch.arange(6) if pixels.order is None else pixels.order
    known = torch.zeros(6, dtype=torch.bool).index_fill(0, order[:4], True)
    every = configurations(torch.Size([6]))
    given = every[37]
    value = given.where(known, torch.nan).reshape(pixels.event_shape)
    drawn = pixels.complete(
        value.expand(number, *pixels.event_shape), known.reshape(pixels.event_shape)
    ).flatten(1)
    assert (drawn[:, known] == given[known]).all()
    fits = (every == given)[:, known].all(-1)
    p = pixels.log_prob(every.reshape(-1, *pixels.event_shape)).exp().detach() * fits
    p = p / p.sum()
    share = torch.stack([(drawn == e).all(-1).double().mean() for e in every])
    assert ((share - p).abs() <= 4 * (p * (1 - p) / number).sqrt() + 1e-9).all()


def test_any_order_completes_what_lies_anywhere() -> None:
    torch.manual_seed(0)
    pixels = any_order()
    known = torch.tensor([False, True, False, True, False, True])
    drawn = pixels.complete(torch.ones(100, 6).double(), known)
    assert (drawn[:, known] == 1).all() and 0 < drawn[:, ~known].mean() < 1


def test_an_element_is_known_as_a_whole() -> None:
    with pytest.raises(ValueError, match="whole elements"):
        groups().complete(torch.zeros(6), torch.arange(6) < 3)
    assert not groups().support.check(torch.tensor([0.0, 1, 0, 1, 0.5, 1]))
    assert groups().support.check(torch.tensor([0.0, 1, 0, 1, 0, 1]))


def test_completing_before_what_is_known_is_refused() -> None:
    with pytest.raises(ValueError, match="orderless-nade"):
        masked_mlp().complete(torch.zeros(6).double(), torch.arange(6) > 2)


def test_shapes_plates_and_support() -> None:
    assert chain(5).sample(torch.Size([2])).shape == (2, 5, 4)
    assert chain(5).log_prob(EVERY[:, None].expand(-1, 5, -1)).shape == (81, 5)
    with pyro.plate("data", 6):
        assert pyro.sample("c", chain()).shape == (6, 4)
    assert chain().support.is_discrete
    with pytest.raises(ValueError, match="support"):
        chain().log_prob(EVERY.clamp(min=1) + 1)


def test_real_numbers_and_waveforms() -> None:
    """Any factor: a random walk in ℝ, and steps of a waveform."""

    def drift(x: Tensor) -> Tensor:
        return nn.functional.pad(x[..., :-1], (1, 0))

    torch.manual_seed(0)
    walk = Autoregressive(drift, (3,), lambda loc: Normal(loc, 0.5))
    covariance = walk.sample(torch.Size([50_000])).T.cov()
    exact = 0.25 * torch.tensor([[1.0, 1, 1], [1, 2, 2], [1, 2, 3]])
    torch.testing.assert_close(covariance, exact, atol=0.02, rtol=0)
    wave = Autoregressive(lambda x: torch.zeros(*x.shape, 16), (5,), MuLawCategorical)
    assert wave.log_prob(wave.sample()).item() == pytest.approx(-5 * 2.7725887, rel=1e-5)


@pytest.mark.parametrize("loc", [-3.0, 0.0, 0.45, 0.97, 40.0])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 5.0])
def test_discretised_logistics_sum_to_one_and_have_slopes_in_their_tails(
    loc: float, scale: float
) -> None:
    own = torch.tensor(loc, dtype=torch.float64, requires_grad=True)
    width = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    log_p = DiscretizedLogistic(own, width).log_prob(levels)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
    slopes = torch.autograd.grad(log_p.sum(), [own, width])
    assert log_p.isfinite().all() and all(s.isfinite() and s != 0 for s in slopes)


def test_mixtures_of_discretised_logistics() -> None:
    torch.manual_seed(0)
    parts = DiscretizedLogistic(torch.tensor([0.1, 0.8]), torch.tensor([0.05, 0.1]), levels=8)
    mixture = MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7])), parts)
    levels = torch.arange(8) / 7
    p = mixture.log_prob(levels).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-6)
    drawn = mixture.sample(torch.Size([40_000]))
    share = (drawn[:, None] == levels).float().mean(0)
    assert ((share - p).abs() < 4 * (p * (1 - p) / 40_000).sqrt()).all()
    assert drawn.mean().item() == pytest.approx((p @ levels).item(), abs=0.01)
    torch.testing.assert_close(mixture.mean, p @ levels)
    with pytest.raises(ValueError, match="support"):
        DiscretizedLogistic(0.5, 0.1, levels=8, validate_args=True).log_prob(torch.tensor(0.5))
