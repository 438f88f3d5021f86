"""Every group holds what it says, under the names that were asked for."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from pyro.infer.autoguide import AutoDelta, AutoMultivariateNormal, AutoNormal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError
from dgmppl.models.vae import VAE
from dgmppl.posterior import posterior, source


class Conjugate(dgmppl.Program):
    """p(z) = N(0, 1), p(x|z) = N(z, 1): the posterior is N(x/2, √½), the marginal N(0, √2)."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.tensor(0.0).double(), 1.0))
            return pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", Normal(x / 2, 0.5**0.5))


X = torch.tensor([-2.0, 0.0, 3.0]).double()
EXACT = Normal(0.0, 2**0.5).log_prob(X)


def automatic(kind: type, model: object) -> nn.Module:
    with pyro.settings.context(module_local_params=True):
        return kind(model)


def tensor(variable: object) -> Tensor:
    """The values of an xarray variable, the chain left out."""
    return torch.from_numpy(variable.values[0])


def test_every_group_draws_from_its_own_distribution() -> None:
    draws = posterior(Conjugate(), X, 20_000, seed=0)
    for group, mean, variance in (
        (draws.posterior["z"], X / 2, 0.5),
        (draws.posterior_predictive["x"], X / 2, 1.5),
        (draws.prior["z"], 0 * X, 1.0),
        (draws.prior_predictive["x"], 0 * X, 2.0),
    ):
        assert group.dims == ("chain", "draw", "data")
        values = tensor(group)
        assert (values.mean(0) - mean).abs().max() < 4 * (variance / 20_000) ** 0.5
        assert (values.var(0) / variance - 1).abs().max() < 0.05


def test_log_weights_and_log_likelihoods_belong_to_their_draws() -> None:
    draws = posterior(Conjugate(), X, 50)
    z = tensor(draws.posterior["z"])
    assert torch.allclose(tensor(draws.log_likelihood["x"]), Normal(z, 1.0).log_prob(X))
    weight = tensor(draws.sample_stats["log_weight"])
    assert torch.allclose(weight, EXACT.expand(50, 3))  # p(x, z) / p(z|x) = p(x)
    assert torch.equal(torch.from_numpy(draws.observed_data["x"].values), X)


def test_predictive_draws_are_of_the_latents_beside_them() -> None:
    draws = posterior(Conjugate(), X, 5000, seed=0)
    difference = tensor(draws.posterior_predictive["x"]) - tensor(draws.posterior["z"])
    assert (difference.var(0) - 1).abs().max() < 0.1
    difference = tensor(draws.prior_predictive["x"]) - tensor(draws.prior["z"])
    assert (difference.var(0) - 1).abs().max() < 0.1


def test_chunks_make_the_same_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_NUMBERS", 60)  # ten draws of six numbers, and a last one
    draws = posterior(Conjugate(), X, 51, prior_samples=21)
    z = tensor(draws.posterior["z"])
    assert z.shape == (51, 3) and tensor(draws.prior["z"]).shape == (21, 3)
    assert len(z.unique()) == z.numel()
    assert torch.allclose(tensor(draws.log_likelihood["x"]), Normal(z, 1.0).log_prob(X))


def test_dimensions_have_names_and_labels() -> None:
    vae, x = VAE(data_dim=4, z_dim=2), torch.ones(3, 4)
    plain = posterior(vae, x, 5)
    assert plain.posterior["z"].dims == ("chain", "draw", "data", "z_dim_0")
    assert plain.posterior["z"].coords["data"].values.tolist() == [0, 1, 2]
    coords = {"data": ["a", "b", "c"], "pixel": [10, 11, 12, 13]}
    named = posterior(vae, x, 5, dims={"z": ["unit"], "x": ["pixel"]}, coords=coords)
    assert named.posterior["z"].dims == ("chain", "draw", "data", "unit")
    assert named.observed_data["x"].dims == ("data", "pixel")
    assert named.log_likelihood["x"].sel(data="b").dims == ("chain", "draw")
    assert named.posterior_predictive["x"].sel(pixel=12).shape == (1, 5, 3)


def test_zeros_and_ones_take_a_byte_each() -> None:
    draws = posterior(VAE(data_dim=4, z_dim=2), torch.ones(3, 4), 5)
    for group in (draws.posterior_predictive, draws.prior_predictive, draws.observed_data):
        assert group["x"].dtype == "int8"
        assert set(group["x"].values.ravel().tolist()) <= {0, 1}


def test_groups_can_be_left_out() -> None:
    draws = posterior(Conjugate(), X, 5, predictive=False, prior_samples=0)
    groups = {"posterior", "log_likelihood", "sample_stats", "observed_data"}
    held = set(draws.groups() if hasattr(draws, "extend") else draws.children)
    assert held == groups


def shared(x: Tensor) -> None:
    """μ ~ N(0, 1), s ~ LogNormal, x ~ N(μ, s)."""
    mean = pyro.sample("mean", Normal(torch.tensor(0.0), 1.0))
    scale = pyro.sample("scale", pyro.distributions.LogNormal(torch.tensor(0.0), 1.0))
    pyro.deterministic("twice", 2 * mean)
    with pyro.plate("rows", 50, subsample_size=10) as rows:
        pyro.sample("x", Normal(mean, scale), obs=x[rows])


def test_latents_shared_by_the_data_have_one_weight_a_draw() -> None:
    def model(x: Tensor) -> None:
        mean = pyro.sample("mean", Normal(torch.tensor(0.0), 1.0))
        with pyro.plate("rows", len(x)):
            pyro.sample("x", Normal(mean, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("mean", Normal(torch.tensor(2.0), 0.5))

    x = torch.arange(6.0)
    draws = posterior(dgmppl.Pair(model, guide), x, 40)
    assert draws.posterior["mean"].dims == ("chain", "draw")
    assert draws.log_likelihood["x"].dims == ("chain", "draw", "data")
    assert draws.sample_stats["log_weight"].dims == ("chain", "draw")
    mean = tensor(draws.posterior["mean"])
    likelihood = Normal(mean[:, None], 1.0).log_prob(x)
    assert torch.allclose(tensor(draws.log_likelihood["x"]).float(), likelihood)
    log_q = Normal(2.0, 0.5).log_prob(mean)
    expected = likelihood.sum(1) + Normal(0.0, 1.0).log_prob(mean) - log_q
    assert torch.allclose(tensor(draws.sample_stats["log_weight"]).float(), expected, atol=1e-5)


def test_auxiliary_sites_of_a_guide_count_but_are_not_shown() -> None:
    draws = posterior(dgmppl.Pair(nested, automatic(AutoNormal, nested)), torch.zeros(4), 9)
    assert list(draws.posterior.data_vars) == ["mean", "z"]
    mean, z = (tensor(draws.posterior[name]) for name in ("mean", "z"))
    log_p = Normal(mean[:, None], 1.0).log_prob(z) + Normal(z, 1.0).log_prob(torch.zeros(4))
    log_q = log_p - tensor(draws.sample_stats["log_weight"])
    centre, width = z.mean(0), 0.1  # the scale that AutoNormal starts at
    assert (log_q <= Normal(0.0, width).log_prob(torch.tensor(0.0)) + 1e-4).all()
    assert ((z - centre).abs() < 6 * width).all()


@pytest.mark.parametrize("kind", [AutoNormal, AutoMultivariateNormal, AutoDelta])
def test_a_subsampled_plate_keeps_its_rows(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_NUMBERS", 60)
    x = torch.arange(50.0)
    draws = posterior(dgmppl.Pair(shared, automatic(kind, shared)), x, 25)
    rows = draws.observed_data["x"].coords["data"].values.copy()
    assert len(set(rows)) == 10
    assert draws.observed_data["x"].values.tolist() == x[rows].tolist()
    mean, scale = (tensor(draws.posterior[name])[:, None] for name in ("mean", "scale"))
    expected = Normal(mean, scale).log_prob(x[rows]).double()
    assert torch.allclose(tensor(draws.log_likelihood["x"]), expected, rtol=1e-5)
    assert torch.equal(tensor(draws.posterior["twice"]), 2 * mean[:, 0])
    assert torch.equal(tensor(draws.prior["twice"]), 2 * tensor(draws.prior["mean"]))
    assert not hasattr(draws, "sample_stats")  # ten of fifty data do not weigh μ


class Ragged(dgmppl.Program):
    """Sequences of several lengths, `[T, B]`, with a latent at each time."""

    def model(self, x: Tensor, lengths: Tensor) -> None:
        with pyro.plate("data", len(lengths), dim=-1):
            start = pyro.sample("start", Normal(torch.zeros(3), 1.0).to_event(1))
            present = torch.arange(len(x))[:, None] < lengths
            with pyro.plate("time", len(x), dim=-2), pyro.poutine.mask(mask=present):
                z = pyro.sample("z", Normal(start[..., 0], 1.0))
                pyro.deterministic("declared", 2 * z, event_dim=0)
                pyro.deterministic("undeclared", 2 * z)
                pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor, lengths: Tensor) -> None:
        with pyro.plate("data", len(lengths), dim=-1):
            pyro.sample("start", Normal(torch.ones(3), 1.0).to_event(1))
            present = torch.arange(len(x))[:, None] < lengths
            with pyro.plate("time", len(x), dim=-2), pyro.poutine.mask(mask=present):
                pyro.sample("z", Normal(x, 0.5))


@pytest.mark.parametrize("vectorized", [True, False])
def test_ragged_sequences_count_only_what_is_there(vectorized: bool) -> None:
    ragged = Ragged()
    pair = dgmppl.Pair(ragged.model, ragged.guide, vectorized=vectorized)
    x, lengths = torch.randn(4, 3), torch.tensor([1, 4, 2])
    draws = posterior(pair, (x, lengths), 6, prior_samples=4)
    assert draws.posterior["start"].dims == ("chain", "draw", "data", "start_dim_0")
    for name in ("z", "declared", "undeclared"):
        assert draws.posterior[name].dims == ("chain", "draw", "data", "time")
        assert draws.prior[name].shape == (1, 4, 3, 4)
    z = tensor(draws.posterior["z"])  # [6, B, T]
    assert torch.equal(tensor(draws.posterior["undeclared"]), 2 * z)
    assert torch.equal(tensor(draws.posterior["declared"]), 2 * z)
    present = torch.arange(4) < lengths[:, None]
    expected = (Normal(z, 1.0).log_prob(x.T) * present).sum(-1)
    assert torch.allclose(tensor(draws.log_likelihood["x"]).float(), expected, atol=1e-5)
    assert torch.equal(torch.from_numpy(draws.observed_data["x"].values), x.T)


def test_an_observed_site_that_follows_another_follows_its_draw() -> None:
    def model(first: Tensor, second: Tensor) -> None:
        with pyro.plate("data", len(first)):
            z = pyro.sample("z", Normal(torch.tensor(0.0), 1.0))
            seen = pyro.sample("first", Normal(z, 1.0), obs=first)
            pyro.sample("second", Normal(seen, 1e-4), obs=second)

    def guide(first: Tensor, second: Tensor) -> None:
        with pyro.plate("data", len(first)):
            pyro.sample("z", Normal(first, 1.0))

    x = torch.zeros(3)
    draws = posterior(dgmppl.Pair(model, guide), (x, x), 40)
    for group in (draws.posterior_predictive, draws.prior_predictive):
        assert torch.allclose(tensor(group["first"]), tensor(group["second"]), atol=1e-3)
        assert tensor(group["first"]).std() > 0.5


def nested(x: Tensor) -> None:
    mean = pyro.sample("mean", Normal(torch.tensor(0.0), 1.0))
    with pyro.plate("batch", len(x)):
        z = pyro.sample("z", Normal(mean, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def test_beside_local_latents_the_shared_part_of_the_weight_stands_alone() -> None:
    draws = posterior(dgmppl.Pair(nested, automatic(AutoNormal, nested)), torch.zeros(4), 9)
    assert draws.sample_stats["log_weight"].dims == ("chain", "draw", "data")
    assert draws.sample_stats["log_weight_shared"].dims == ("chain", "draw")
    assert draws.posterior["z"].dims == ("chain", "draw", "data")


def test_missing_guides_and_latents_are_refused() -> None:
    def bare(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", Bernoulli(0.5), obs=x)

    with pytest.raises(ProgramError, match="Expected latent sites, got a program without"):
        posterior(dgmppl.Pair(bare), torch.ones(3), 5)
    with pytest.raises(ProgramError, match=r"a guide for the latent sites \['mean', 'z'\]"):
        posterior(dgmppl.Pair(nested), torch.ones(3), 5)


def test_labels_that_do_not_fit_are_refused() -> None:
    vae, x = VAE(data_dim=4, z_dim=2), torch.ones(3, 4)
    for settings, message in (
        ({"dims": {"y": ["unit"]}}, "got 'y'"),
        ({"dims": {"z": ["unit", "more"]}}, "Expected 1 names"),
        ({"dims": {"z": "unit"}}, "Expected 1 names"),
        ({"dims": {"z": ["draw"]}}, "Expected different names"),
        ({"dims": {"x": ["data"]}}, "Expected different names"),
        ({"coords": {"unit": [1, 2]}}, "got 'unit'"),
        ({"coords": {"data": [1, 2]}}, "Expected 3 coordinates"),
        ({"num_samples": 0}, "at least 1"),
        ({"prior_samples": -1}, "at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            posterior(vae, x, **{"num_samples": 5, **settings})


def test_the_seed_decides_and_nothing_else_is_touched() -> None:
    vae, x = VAE(data_dim=4, z_dim=2).train(), torch.ones(3, 4)
    state = torch.get_rng_state()
    first, second = (posterior(vae, x, 5, seed=1) for _ in range(2))
    assert first.posterior_predictive.equals(second.posterior_predictive)
    assert first.prior.equals(second.prior)
    assert torch.equal(torch.get_rng_state(), state) and vae.training
    assert torch.is_grad_enabled()
