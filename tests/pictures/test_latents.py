from __future__ import annotations

import pyro
import pytest
import torch
from pictures.programs import Conditional, Ladder, Linear
from pyro.distributions import Normal, TransformedDistribution
from pyro.distributions.transforms import AffineTransform

import dgmppl
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.latents import (
    from_units,
    latent_site,
    posterior_means,
    prior_moments,
    take,
    to_units,
)
from dgmppl.pictures.observations import decode, observed_site


def test_posterior_means_are_the_guides() -> None:
    back = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])
    x = torch.randn(5, 2)
    binding = dgmppl.bind(Linear(torch.ones(2, 3), back), x)
    torch.testing.assert_close(posterior_means(binding, x)["z"], x @ back.T)


def test_means_below_are_taken_at_the_means_above() -> None:
    x = torch.randn(5, 3)
    means = posterior_means(dgmppl.bind(Ladder(), x), x)
    torch.testing.assert_close(means["z1"], x)
    torch.testing.assert_close(means["z2"], x / 2)


def test_a_flow_is_averaged_over_draws() -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(pyro.sample("z", Normal(0.0, 1.0)), 1.0), obs=x)

    def guide(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", TransformedDistribution(Normal(x, 0.1), [AffineTransform(3.0, 1.0)]))

    x = torch.randn(5)
    means = posterior_means(dgmppl.bind(dgmppl.Pair(model, guide), x), x)
    torch.testing.assert_close(means["z"], x + 3.0, atol=5 * 0.1 / 8, rtol=0.0)


def test_prior_moments_are_those_given_the_sites_above() -> None:
    x = torch.randn(5, 3)
    binding = dgmppl.bind(Ladder(), x)
    means = posterior_means(binding, x)
    loc, scale = prior_moments(binding, x, means, binding.sites["z1"])
    torch.testing.assert_close(loc, 2.0 * means["z2"])
    torch.testing.assert_close(scale, torch.ones(5, 3))


def test_units_keep_the_data_apart_wherever_their_dimension_is() -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("time", 3, dim=-2), pyro.plate("data", len(x), dim=-1):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", Normal(z.sum(-1), 1.0), obs=x.T)

    binding = dgmppl.bind(dgmppl.Pair(model), x := torch.randn(5, 3))
    site, value = binding.sites["z"], torch.arange(30.0).reshape(3, 5, 2)
    table = to_units(binding, site, value)
    assert table.shape == (5, 6)
    torch.testing.assert_close(table[1], value[:, 1].flatten())
    torch.testing.assert_close(from_units(binding, site, table, value), value)
    rows, taken = take(binding, x, {"z": value}, torch.tensor([4, 4]))
    torch.testing.assert_close(rows, x[[4, 4]])
    torch.testing.assert_close(taken["z"], value[:, [4, 4]])


def test_latents_that_are_not_given_follow_at_their_means() -> None:
    x = torch.randn(5, 3)
    binding = dgmppl.bind(Ladder(), x)
    site = observed_site(binding)
    z2 = torch.randn(7, 3)
    torch.testing.assert_close(decode(binding, x, {"z2": z2}, 7, site), 2.0 * z2)


def test_decoding_keeps_the_conditions() -> None:
    program = Conditional()
    x = {"pixels": torch.zeros(2, 9), "label": torch.eye(2)}
    binding = dgmppl.bind(program, x)
    z = torch.zeros(2, 2)
    expected = program.decoder(torch.cat([z, x["label"]], -1)).sigmoid()
    torch.testing.assert_close(decode(binding, x, {"z": z}, 2, observed_site(binding)), expected)


def test_an_unknown_latent_is_refused() -> None:
    binding = dgmppl.bind(Ladder(), torch.randn(5, 3))
    assert latent_site(binding).name == "z2"
    with pytest.raises(PictureError, match="'w'"):
        latent_site(binding, "w")
