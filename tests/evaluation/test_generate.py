"""Draws: of the prior, given a code, given data."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor

import dgmppl
from dgmppl.models.vae import VAE


def test_the_prior_is_drawn_n_times_in_evaluation_mode_without_gradients() -> None:
    program = VAE(data_dim=6, z_dim=2, hidden_features=4).train()
    draws = dgmppl.generate(program, 1000, seed=0)
    assert draws["z"].shape == (1000, 2) and draws["x"].shape == (1000, 6)
    assert not draws["x"].requires_grad and program.training
    assert abs(float(draws["z"].mean())) < 4 / 2000**0.5


def test_a_seed_repeats_and_leaves_the_callers_numbers_alone() -> None:
    program = VAE(data_dim=6, z_dim=2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (dgmppl.generate(program, 4, seed=3)["x"] for _ in range(2))
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), before)


def test_a_given_code_is_held() -> None:
    program = VAE(data_dim=6, z_dim=2)
    z = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    draws = dgmppl.generate(program, given={"z": z}, means=True)
    assert torch.equal(draws["z"], z)
    assert torch.allclose(draws["x"], program.decoder(z).sigmoid())


def test_reconstructions_use_the_guide_at_the_data() -> None:
    class Copy(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                z = pyro.sample("z", Normal(0.0, 1.0))
                return pyro.sample("x", Normal(z, 1e-3), obs=x)

        def guide(self, x: Tensor) -> Tensor:
            with dgmppl.data_plate(x):
                return pyro.sample("z", Normal(x, 1e-3))

    x = torch.tensor([-5.0, 7.0])
    drawn = dgmppl.generate(Copy(), x=x, posterior=True)["x"]
    assert torch.allclose(drawn, x, atol=0.05) and not torch.equal(drawn, x)


def test_an_adopted_pair_draws_anew_what_a_batch_observes() -> None:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", Bernoulli(0.5), obs=x)

    pair = dgmppl.Pair(model)
    drawn = dgmppl.generate(pair, x=torch.zeros(2000), seed=0)["x"]
    assert 0.4 < float(drawn.mean()) < 0.6
    with pytest.raises(ValueError, match="generate\\(program, x=batch\\)"):
        dgmppl.generate(pair, 3)


def test_conditions_stay_and_the_rest_is_drawn() -> None:
    class Conditional(dgmppl.Program):
        def model(self, x: dict[str, Tensor], n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                return pyro.sample("y", Normal(10 * x["label"], 0.1), obs=x.get("y"))

    drawn = dgmppl.generate(Conditional(), x={"label": torch.tensor([0.0, 1.0])})["y"]
    assert torch.allclose(drawn, torch.tensor([0.0, 10.0]), atol=1.0)


def test_bad_requests_say_what_to_do() -> None:
    program = VAE(data_dim=6, z_dim=2)
    with pytest.raises(ValueError, match="'w'"):
        dgmppl.generate(program, given={"w": torch.zeros(1, 2)})
    with pytest.raises(ValueError, match="batch x"):
        dgmppl.generate(program, posterior=True)
