"""Annealed importance sampling against exact evidence, and noise for implicit programs."""

from __future__ import annotations

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Bernoulli, Exponential, MultivariateNormal, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.evaluation import Annealing
from dgmppl.evaluation.annealing import _State, trajectory
from dgmppl.posterior.log_joint import log_joint
from dgmppl.posterior.source import hold
from dgmppl.site_checks import ProgramError

SHORT = Annealing(steps=60, chains=200, leapfrog=5)


def within(found: dgmppl.Evidence, exact: Tensor) -> bool:
    """Each datum within five standard errors, and the mean within four of its own."""
    assert found.value is not None and found.standard_error is not None
    apart, error = found.value.double() - exact.double(), found.standard_error.double()
    mean_error = error.square().sum().sqrt() / len(error)
    return bool((apart.abs() < 5 * error).all() and apart.mean().abs() < 4 * mean_error)


def test_it_finds_the_evidence_of_a_linear_gaussian_model() -> None:
    program, x = LinearGaussian(), data(6)
    found = dgmppl.evidence(program, x, annealing=SHORT, seed=0)
    assert found.kind == "lower bound by annealing"
    assert within(found, program.log_evidence(x).detach())
    assert float(found.standard_error.max()) < 0.2


class Positive(dgmppl.Program):
    """A latent that is not free to move everywhere: its bijection counts."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            rate = pyro.sample("rate", Exponential(torch.tensor(1.0)))
            return pyro.sample("x", Exponential(rate), obs=x)


def test_constrained_latents() -> None:
    """∫ e^−r · r e^(−r x) dr = (1 + x)^−2."""
    x = torch.tensor([0.1, 1.0, 5.0])
    found = dgmppl.evidence(Positive(), x, annealing=SHORT, seed=0)
    assert within(found, -2 * torch.log1p(x))


class Generator(dgmppl.Program):
    """x = A z + b, without a density."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return dgmppl.implicit("x", self.linear(z), obs=x)


def test_an_implicit_program_needs_a_named_noise() -> None:
    """With it, log p(x) is that of N(b, A Aᵀ + σ²)."""
    torch.manual_seed(0)
    program, x = Generator(), torch.randn(4, 3)
    assert dgmppl.evidence(program, x, annealing=SHORT).kind == "unavailable"
    reason = dgmppl.evidence(program, x).reason
    assert "'x'" in reason
    assert "observation_noise" in reason
    found = dgmppl.evidence(program, x, annealing=SHORT, observation_noise=0.5, seed=0)
    assert found.kind == "lower bound by annealing, with observation noise 0.5"
    A, b = program.linear.weight.detach(), program.linear.bias.detach()
    exact = MultivariateNormal(b, A @ A.T + 0.25 * torch.eye(3)).log_prob(x)
    assert within(found, exact)


def test_trajectories_leave_the_posterior_as_it_is() -> None:
    """Chains that start at exact draws of it have its moments afterwards."""
    torch.manual_seed(0)
    program, x = LinearGaussian(), data(2)
    density = log_joint(hold(program, x))
    loc, scale = x @ program.gain.T + program.offset, program.log_scale.exp()
    chains = 20_000
    free = {"z": (loc + scale * torch.randn(chains, *loc.shape)).detach()}
    with torch.no_grad():
        state = _State(free, *density.parts(free))
    size = torch.full((1, 2), 0.4, dtype=torch.float64)
    for _ in range(3):
        state, accepted = trajectory(density, state, 1.0, size, 3)
    assert 0.3 < float(accepted.double().mean()) < 0.999
    z = state.free["z"]
    error = scale / chains**0.5
    assert ((z.mean(0) - loc).abs() < 4.5 * error).all()
    assert ((z.std(0) - scale).abs() < 4.5 * error).all()


class Coin(dgmppl.Program):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            side = pyro.sample("side", Bernoulli(torch.tensor(0.5)))
            return pyro.sample("x", Normal(side, 1.0), obs=x)


def test_discrete_latents_are_refused() -> None:
    with pytest.raises(ProgramError, match="'side'"):
        dgmppl.evidence(Coin(), torch.zeros(3), annealing=SHORT)


def test_noise_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        dgmppl.evidence(Generator(), torch.zeros(3, 3), observation_noise=0.0)
