"""Diagnostics tell a right guide from a wrong one, where the posterior is known in closed form."""

from __future__ import annotations

import dataclasses
import math

import pyro
import pytest
import torch
from pyro.distributions import (
    Bernoulli,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    TransformedDistribution,
)
from pyro.distributions.transforms import AffineTransform
from pyro.infer.autoguide import AutoDelta, AutoNormal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError
from dgmppl.posterior import Diagnosis, diagnose, source

W = torch.tensor([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, -1.0]]).double()
W = torch.cat([W * torch.tensor([1.0, 0.5]), torch.zeros(4, 1)], 1)  # orthogonal; the third is cut
BIAS = torch.tensor([0.5, 0.0, -0.5, 1.0]).double()
NOISE = 0.7
VARIANCE = 1 / (1 + W.square().sum(0) / NOISE**2)
EVIDENCE = MultivariateNormal(BIAS, W @ W.T + NOISE**2 * torch.eye(4))


class Exact(nn.Module):
    """The posterior: a normal of independent units, for W's columns are orthogonal."""

    def __init__(self, shift: float = 0.0, stretch: float = 1.0) -> None:
        super().__init__()
        self.shift, self.stretch = shift, stretch

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc = VARIANCE * ((x - BIAS) @ W) / NOISE**2
        return loc + self.shift, self.stretch * VARIANCE.sqrt()

    def forward(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", self.distribution(*self.moments(x)))

    def distribution(self, loc: Tensor, scale: Tensor) -> pyro.distributions.Distribution:
        return Normal(loc, scale).to_event(1)


class Full(Exact):
    """The same as one event that does not factorise."""

    def distribution(self, loc: Tensor, scale: Tensor) -> pyro.distributions.Distribution:
        return MultivariateNormal(loc, scale_tril=torch.diag_embed(scale.expand(loc.shape)))


class Flow(Exact):
    """The same as a flow, whose mean and divergence nobody knows."""

    def distribution(self, loc: Tensor, scale: Tensor) -> pyro.distributions.Distribution:
        base = Normal(torch.zeros(3).double(), 1.0).to_event(1)
        return TransformedDistribution(base, [AffineTransform(loc, scale, event_dim=1)])


class LinearGaussian(dgmppl.Program):
    """p(z) = N(0, I), p(x|z) = N(W z + b, σ² I)."""

    def __init__(self, guide: nn.Module) -> None:
        super().__init__()
        self.q = guide

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3).double(), 1.0).to_event(1))
            return pyro.sample("x", Normal(z @ W.T + BIAS, NOISE).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        return self.q(x)


@pytest.fixture
def x(seed: int) -> Tensor:
    return EVIDENCE.sample((40,))


def normal_kl(guide: Exact, x: Tensor) -> Tensor:
    """KL(q(z|x) ‖ N(0, 1)) of each unit."""
    loc, scale = guide.moments(x)
    return 0.5 * (scale.square() + loc.square() - 1) - scale.log()


@pytest.mark.parametrize("guide", [Exact, Full, Flow])
def test_the_exact_posterior_leaves_nothing_to_find(guide: type[Exact], x: Tensor) -> None:
    found = diagnose(LinearGaussian(guide()), x, 500)
    assert (found.k_hat < 0.5).all()
    assert torch.allclose(found.ess, torch.full((40,), 500.0).double())
    assert found.gap.abs().max() < 1e-9
    assert torch.allclose(found.elbo, EVIDENCE.log_prob(x))


def test_a_narrow_and_shifted_guide_is_found_out(x: Tensor) -> None:
    found = diagnose(LinearGaussian(Exact(shift=3.0, stretch=0.2)), x, 1000)
    assert (found.k_hat > 0.7).all()
    assert (found.ess < 50).all()
    assert "cannot be trusted" in str(found)


def test_bound_and_gap_meet_the_evidence(x: Tensor) -> None:
    guide = Exact(stretch=1.2)
    found = diagnose(LinearGaussian(guide), x, 20_000)
    exact = EVIDENCE.log_prob(x)
    cost = 3 * (0.5 * (1.2**2 - 1) - torch.tensor(1.2).log()).item()  # KL(q ‖ posterior)
    assert (found.bound - exact).abs().max() < 0.03
    assert (found.elbo - (exact - cost)).abs().max() < 0.05
    assert torch.equal(found.elbo + found.gap, found.bound)
    assert (found.gap > 0).all() and (found.k_hat < 0.7).all()


def test_kl_is_exact_unit_by_unit_and_a_cut_unit_is_inactive(x: Tensor) -> None:
    found = diagnose(LinearGaussian(Exact()), x, 30)
    assert torch.allclose(found.kl["z"], normal_kl(Exact(), x))
    assert found.kl["z"][:, 2].abs().max() < 1e-12
    assert torch.allclose(found.mean_kl["z"], normal_kl(Exact(), x).mean(0))
    assert torch.allclose(found.activity["z"], Exact().moments(x)[0].var(0))
    assert found.active_units == {"z": 2}


def test_kl_that_is_not_known_is_estimated_as_one_unit(x: Tensor) -> None:
    found = diagnose(LinearGaussian(Flow()), x, 4000)
    assert found.kl["z"].shape == (40, 1)
    assert (found.kl["z"][:, 0] - normal_kl(Flow(), x).sum(1)).abs().max() < 0.2
    assert (found.kl["z"][:, 0] - normal_kl(Flow(), x).sum(1)).mean().abs() < 0.02


def test_activity_from_draws_is_not_inflated_by_their_noise(x: Tensor) -> None:
    """The mean of 30 draws varies by 1/30 > 0.01 even where the posterior is the prior."""
    found = diagnose(LinearGaussian(Flow()), x, 30)
    assert found.active_units == {"z": 2}


def test_chunks_cover_all_draws(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    program = LinearGaussian(Exact(stretch=1.2))
    whole = diagnose(program, x, 3001)
    monkeypatch.setattr(source, "MOST_NUMBERS", 40 * 7 * 500)
    parts = diagnose(program, x, 3001)
    assert list(source.chunks(dgmppl.bind(program, x), 1201)) == [500, 500, 201]
    assert (whole.bound - parts.bound).abs().max() < 0.1
    assert parts.num_samples == 3001 and parts.ess.max() <= 3001


def conjugate(x: Tensor) -> None:
    """μ ~ N(0, 1), x ~ N(μ, 1)."""
    mean = pyro.sample("mean", Normal(torch.tensor(0.0).double(), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(mean, 1.0), obs=x)


def conjugate_guide(x: Tensor) -> None:
    pyro.sample("mean", Normal(x.sum() / (len(x) + 1), (len(x) + 1) ** -0.5))


def test_latents_shared_by_the_data_are_weighed_jointly() -> None:
    x = torch.linspace(-1, 2, 20).double()
    found = diagnose(dgmppl.Pair(conjugate, conjugate_guide), x, 100)
    exact = MultivariateNormal(torch.zeros(20).double(), torch.eye(20).double() + 1).log_prob(x)
    assert found.joint and found.k_hat.shape == found.ess.shape == (1,)
    assert torch.allclose(found.elbo, exact) and torch.allclose(found.bound, exact)
    assert found.k_hat[0] < 0.5 and found.active_units == {}
    assert found.kl["mean"].shape == (1, 1)
    assert "all 20 data together" in found.verdict and "nats in all" in found.verdict


def nested(x: Tensor) -> None:
    """μ ~ N(0, 1), z ~ N(μ, 1), x ~ N(z, 1)."""
    mean = pyro.sample("mean", Normal(torch.tensor(0.0).double(), 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Normal(mean, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def nested_guide(x: Tensor) -> None:
    """p(z|x, μ) is exact, q(μ) is not."""
    mean = pyro.sample("mean", Normal(torch.tensor(0.3).double(), 0.5))
    with pyro.plate("data", len(x)):
        pyro.sample("z", Normal((x + mean) / 2, 0.5**0.5))


def test_beside_local_latents_shared_ones_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given μ the guide is exact; were μ drawn anew, even between chunks, it would not be."""
    monkeypatch.setattr(source, "MOST_NUMBERS", 200)
    x = torch.linspace(-1, 2, 8).double()
    found = diagnose(dgmppl.Pair(nested, nested_guide), x, 60)
    assert not found.joint and found.k_hat.shape == (8,)
    assert torch.allclose(found.ess, torch.full((8,), 60.0).double())
    assert found.gap.abs().max() < 1e-9
    expected = 0.5 * (0.25 + 0.09 - 1) - torch.tensor(0.5).double().log()
    assert torch.allclose(found.kl["mean"], expected.expand(1, 1))


def automatic(kind: type, model: object) -> nn.Module:
    with pyro.settings.context(module_local_params=True):
        return kind(model)


def test_an_automatic_guide_of_real_sites_has_kl_unit_by_unit() -> None:
    def model(x: Tensor) -> None:
        z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(z[..., 0], 1.0), obs=x)

    guide = automatic(AutoNormal, model)
    found = diagnose(dgmppl.Pair(model, guide), torch.zeros(4), 50)
    loc, scale = guide.locs.z.detach(), guide.scales.z.detach()
    expected = 0.5 * (scale.square() + loc.square() - 1) - scale.log()
    assert torch.allclose(found.kl["z"][0], expected.double(), atol=1e-5)
    assert list(found.kl) == ["z"]


def test_discrete_units_have_their_own_kl() -> None:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            bits = pyro.sample("bits", Bernoulli(torch.full((2,), 0.5)).to_event(1))
            kind = pyro.sample("kind", OneHotCategorical(torch.ones(4) / 4))
            pyro.factor("penalty", -kind[..., 0])
            pyro.sample("x", Normal(bits.sum(-1), 1.0), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("bits", Bernoulli(torch.tensor([0.5, 0.9])).to_event(1))
            pyro.sample("kind", OneHotCategorical(torch.tensor([0.5, 0.5, 0.0, 0.0])))

    found = diagnose(dgmppl.Pair(model, guide), torch.zeros(3), 40)
    tilted = math.log(2) + 0.9 * math.log(0.9) + 0.1 * math.log(0.1)
    assert torch.allclose(found.kl["bits"], torch.tensor([0.0, tilted]).double(), atol=1e-6)
    expected = torch.full((3, 1), math.log(2)).double()  # one choice of two out of four
    assert torch.allclose(found.kl["kind"], expected, atol=1e-6)
    assert found.active_units == {"bits": 0, "kind": 0}


def test_missing_entries_cost_no_kl() -> None:
    def model(x: Tensor, seen: Tensor) -> None:
        with pyro.plate("data", len(x)), pyro.poutine.mask(mask=seen):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", Normal(z.sum(-1), 1.0), obs=x)

    def guide(x: Tensor, seen: Tensor) -> None:
        with pyro.plate("data", len(x)), pyro.poutine.mask(mask=seen):
            pyro.sample("z", Normal(torch.ones(2), 1.0).to_event(1))

    seen = torch.tensor([True, False, True])
    found = diagnose(dgmppl.Pair(model, guide), (torch.zeros(3), seen), 50)
    assert torch.equal(found.kl["z"], torch.tensor([[0.5], [0.0], [0.5]]).double().expand(3, 2))


def test_what_cannot_be_diagnosed_is_refused() -> None:
    def part(x: Tensor) -> None:
        mean = pyro.sample("mean", Normal(0.0, 1.0))
        with pyro.plate("data", 50, subsample_size=5) as rows:
            pyro.sample("x", Normal(mean, 1.0), obs=x[rows])

    x = torch.zeros(50)
    with pytest.raises(ProgramError, match="all 50 data"):
        diagnose(dgmppl.Pair(part, automatic(AutoNormal, part)), x, 50)
    with pytest.raises(ProgramError, match="single values"):
        diagnose(dgmppl.Pair(conjugate, automatic(AutoDelta, conjugate)), x.double(), 50)
    with pytest.raises(ProgramError, match=r"guide for the latent sites \['mean'\]"):
        diagnose(dgmppl.Pair(conjugate), x.double(), 50)
    with pytest.raises(ValueError, match="at least 1"):
        diagnose(dgmppl.Pair(conjugate, conjugate_guide), x.double(), 0)


def test_the_seed_decides_and_nothing_else_is_touched(x: Tensor) -> None:
    program = LinearGaussian(Exact(stretch=1.2)).train()
    state = torch.get_rng_state()
    first, second = (diagnose(program, x, 50, seed=3) for _ in range(2))
    assert torch.equal(first.bound, second.bound)
    assert torch.equal(torch.get_rng_state(), state) and program.training


def test_the_verdict_reads_well() -> None:
    found = Diagnosis(
        k_hat=torch.tensor([0.1, 0.2, 0.3, 0.95] * 25),
        ess=torch.full((100,), 412.3),
        kl={},
        activity={"z": torch.tensor([0.0, 0.009, 0.011, 3.0])},
        elbo=torch.full((100,), -90.0),
        bound=torch.full((100,), -88.2),
        num_samples=1000,
        num_data=100,
        joint=False,
    )
    assert str(found) == (
        "k-hat below 0.7 on 75 % of 100 data: importance weights can be trusted on those data "
        "only. Median effective sample size: 412 of 1000. 2 of 4 units of z are active. "
        "Gap between K = 1 and K = 1000: 1.8 nats."
    )
    best = dataclasses.replace(found, k_hat=torch.full((100,), 0.3))
    assert str(best).startswith("k-hat below 0.7 on 100 % of 100 data: importance weights can be")
    few = dataclasses.replace(found, k_hat=torch.full((100,), torch.nan), num_samples=20)
    assert str(few).startswith("k-hat needs at least 30 draws, got 20. Median")
    even = dataclasses.replace(few, num_samples=1000)
    assert str(even).startswith("k-hat is unknown: the importance weights take only few values.")
