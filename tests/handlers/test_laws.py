"""Each handler changes one thing and leaves the rest of a program alone."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro import poutine
from pyro.distributions import LogNormal, MultivariateNormal, Normal
from torch import Tensor, nn

from dgmppl.handlers import Impose, Particles, Replay, Shift, StopGradient, Temper, Unconstrained
from dgmppl.handlers.detach import detached, with_fixed_parameters
from dgmppl.traces import sample_sites, subsample_sites, trace


def program(loc: Tensor | float = 0.0) -> Tensor:
    """A shared latent, a local one in a plate, a datum, and a number outside of any site."""
    g = pyro.sample("g", Normal(loc, 1.0))
    with pyro.plate("data", 4):
        z = pyro.sample("z", Normal(g, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=torch.zeros(4))
    return torch.rand(())


def test_replay_sets_latents_only() -> None:
    values = {"z": torch.ones(4), "x": torch.ones(4), "other": torch.ones(())}
    sites = sample_sites(trace(program, handlers=(Replay(values),)))
    assert torch.equal(sites["z"]["value"], torch.ones(4))
    assert torch.equal(sites["x"]["value"], torch.zeros(4))
    assert torch.equal(sites["z"]["fn"].loc, sites["g"]["value"].expand(4))


@pytest.mark.parametrize("explicit", [True, False])
def test_replay_sets_rows_that_would_be_drawn(explicit: bool) -> None:
    def rows() -> None:
        chosen = {"subsample": torch.tensor([0, 1])} if explicit else {"subsample_size": 2}
        with pyro.plate("data", 10, **chosen):
            pass

    held = Replay({"data": torch.tensor([7, 8])})
    found = subsample_sites(trace(rows, handlers=(held,)))["data"]["value"]
    assert found.tolist() == ([0, 1] if explicit else [7, 8])


def test_impose_lets_the_random_numbers_run_on() -> None:
    values = {"g": torch.tensor(9.0), "x": torch.ones(4)}
    torch.manual_seed(0)
    expected = program()
    torch.manual_seed(0)
    with Impose(values):
        assert torch.equal(program(), expected)
    torch.manual_seed(0)
    with Replay({"g": values["g"]}):
        assert not torch.equal(program(), expected)
    sites = sample_sites(trace(program, handlers=(Impose(values),)))
    assert sites["g"]["value"] == 9.0 and torch.equal(sites["x"]["value"], torch.zeros(4))
    assert torch.equal(sites["z"]["fn"].loc, torch.full((4,), 9.0))


@pytest.mark.parametrize("inside", [None, "data"])
def test_particles_are_outermost(inside: str | None) -> None:
    sites = sample_sites(trace(program, handlers=(Particles(3, -2, inside),)))
    shapes = {name: tuple(site["value"].shape) for name, site in sites.items()}
    assert shapes == {"g": (3, 1) if inside is None else (), "z": (3, 4), "x": (4,)}
    assert sites["x"]["fn"].batch_shape == (3, 4)
    assert [frame.name for frame in sites["z"]["cond_indep_stack"]] == ["particles", "data"]
    assert (sites["g"]["cond_indep_stack"] != ()) is (inside is None)


def test_particles_are_independent() -> None:
    sites = sample_sites(trace(program, handlers=(Particles(20_000, -2),)))
    g, z = sites["g"]["value"][:, 0], sites["z"]["value"]
    assert abs(g.std() - 1) < 0.03
    correlation = torch.corrcoef(torch.stack([g, z[:, 0], z[:, 1]]))
    assert abs(correlation[0, 1] - 0.5**0.5) < 0.03 and abs(correlation[1, 2] - 0.5) < 0.03


def test_stop_gradient_cuts_the_named_draws() -> None:
    loc = torch.zeros((), requires_grad=True)
    for stopped, reached in (((), True), (("g",), False), (("z",), True)):
        sites = sample_sites(trace(program, loc, handlers=(StopGradient(stopped),)))
        assert sites["g"]["value"].requires_grad is reached
        assert sites["z"]["value"].requires_grad is (stopped == ())
        assert sites["g"]["fn"].loc.requires_grad


def test_temper_notes_powers_that_multiply() -> None:
    def tempered() -> None:
        with Temper({"z": 2.0}):
            program()

    sites = sample_sites(trace(tempered, handlers=(Temper({"z": 3.0, "g": 0.5}),)))
    powers = {name: site["infer"].get("power") for name, site in sites.items()}
    assert powers == {"g": 0.5, "z": 6.0, "x": None}
    assert sites["z"]["scale"] == 1.0  # the density itself is as it was


@pytest.mark.parametrize(
    "fn",
    [
        Normal(torch.ones(3, requires_grad=True), 2.0),
        Normal(torch.ones(4, 3, requires_grad=True), 2.0).to_event(1).mask(torch.ones(4) > 0),
        MultivariateNormal(torch.zeros(3), scale_tril=torch.eye(3).requires_grad_()),
        pyro.distributions.Categorical(logits=torch.zeros(3, requires_grad=True)),
    ],
    ids=lambda fn: type(fn).__name__,
)
def test_a_detached_distribution_is_the_same_without_gradients(fn: Normal) -> None:
    twin, value = detached(fn), fn.sample()
    assert twin is not None
    assert torch.equal(twin.log_prob(value), fn.log_prob(value))
    assert fn.log_prob(value).requires_grad and not twin.log_prob(value).requires_grad


def test_flows_are_not_copied() -> None:
    assert detached(LogNormal(torch.zeros(2), 1.0).to_event(1)) is None


def test_fixed_parameters_pass_gradients_to_inputs_alone() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    x = torch.randn(5, 2, requires_grad=True)
    out = with_fixed_parameters(net, lambda: net(x))
    assert torch.autograd.grad(out.square().sum(), x)[0].abs().sum() > 0
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(out.sum() + 0 * x.sum(), [net[0].weight])
    assert int(net[1].num_batches_tracked) == 0  # running statistics did not move
    assert net[0].weight.requires_grad and net(x).requires_grad


def test_a_shift_moves_draws_and_scores_them_as_fixed() -> None:
    amounts = {"loc": torch.ones((), requires_grad=True), "scale": torch.zeros(4) - 20.0}
    shift = Shift({"z": amounts, "x": amounts})
    sites = sample_sites(trace(program, handlers=(shift,)))
    assert torch.allclose(sites["z"]["value"], sites["g"]["value"] + 1.0, atol=1e-6)
    assert sites["z"]["value"].requires_grad
    assert torch.equal(sites["x"]["fn"].loc, sites["z"]["value"])
    moved, fixed = sites["z"]["fn"], sites["z"]["log_density"]
    assert torch.allclose(moved.log_prob(sites["z"]["value"]), fixed)
    values = {"z": torch.zeros(4)}
    sites = sample_sites(trace(program, handlers=(Replay(values), shift)))
    assert sites["z"]["fn"].scale[0] == 1.0 and "log_density" not in sites["z"]


def test_unconstrained_values_have_the_density_of_their_images() -> None:
    """log p(z) + log |∂z/∂u| is the density of u, whose integral is 1."""

    def positive() -> None:
        with pyro.plate("data", 4001):
            pyro.sample("z", pyro.distributions.Gamma(2.0, 3.0).expand([1]).to_event(1))

    grid = torch.linspace(-20, 5, 4001).double()[:, None]
    placed = Unconstrained({"z": grid})
    site = sample_sites(trace(positive, handlers=(placed,)))["z"]
    density = (site["fn"].log_prob(site["value"]) + placed.log_det["z"]).exp()
    assert density.shape == (4001,)
    assert abs(torch.trapezoid(density, grid[:, 0]).item() - 1) < 1e-6


def test_handlers_leave_no_trace() -> None:
    before = len(poutine.runtime._PYRO_STACK)
    handlers = (Replay({}), Impose({}), Particles(2, -3), StopGradient(()), Temper({}))
    for handler in (*handlers, Shift({}), Unconstrained({})):
        trace(program, handlers=(handler,))
    assert len(poutine.runtime._PYRO_STACK) == before
