"""log p(x) and draws of machines whose every state can be listed."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Normal
from small_machines import MACHINES, joint, made, states_of
from torch import Tensor

import dgmppl
from dgmppl.energy import AnnealedPath, Binary, machine_of
from dgmppl.evaluation import Annealing
from dgmppl.models.restricted_boltzmann import RBM

LISTED = [name for name in MACHINES if name != "gaussian"]


def exact(program: Any, machine: Any, x: Tensor) -> Tensor:
    """log p(x) from the joint distribution."""
    states, log_w = joint(program, machine)
    same = (states["v"][None] == x[:, None]).flatten(2).all(-1)
    return torch.where(same, log_w, -torch.inf).logsumexp(1) - log_w.logsumexp(0)


@pytest.mark.parametrize("name", LISTED)
def test_evidence_is_that_of_listing(name: str) -> None:
    program, machine = made(name)
    x = states_of(program.layers[0])[0][:5]
    found = dgmppl.evidence(program, x)
    assert found.value is not None
    if name in ("deep", "gated"):
        assert found.kind == "lower bound"
        assert bool((found.value < exact(program, machine, x) + 1e-9).all())
    else:
        assert found.kind == "exact"
        torch.testing.assert_close(found.value, exact(program, machine, x), atol=1e-9, rtol=0)


def test_probabilities_add_to_one() -> None:
    program, _ = made("counts")
    documents = states_of(program.layers[0])[0]
    shorter = torch.cat([documents, torch.tensor([[1.0, 1.0, 0.0]]).double()])
    found = dgmppl.evidence(program, shorter).value
    assert found is not None
    assert float(found[:-1].exp().sum()) == pytest.approx(1.0)  # of one length
    assert float(found[-1].exp()) < 1.0


@pytest.mark.parametrize("name", ["binary", "categorical", "counts", "gaussian"])
def test_annealing_gives_the_same_within_its_error(name: str) -> None:
    program, _ = made(name)
    x = torch.randn(5, 2).double() if name == "gaussian" else states_of(program.layers[0])[0][:5]
    whole = dgmppl.evidence(program, x)
    found = dgmppl.evidence(program, x, annealing=Annealing(steps=100, chains=500), seed=0)
    assert found.kind == "estimate, log Z by annealing" and whole.kind == "exact"
    assert found.value is not None and whole.value is not None
    assert found.log_partition is not None and found.mean_error >= found.standard_error[0]
    error = float(found.standard_error[0])
    assert error < 0.1 and float((found.value - whole.value).abs().max()) < 4 * error


@pytest.mark.parametrize("name", ["binary", "deep", "counts"])
def test_draws_have_the_machines_moments(name: str) -> None:
    program, machine = made(name)
    states, log_w = joint(program, machine)
    p = log_w.softmax(0)
    drawn = dgmppl.generate(program, 4000, sweeps=60, seed=0)
    for site, value in states.items():
        mean = p @ value
        error = ((p @ value.square() - mean**2) / 4000).sqrt()
        assert bool(((drawn[site].mean(0) - mean).abs() < 5 * error + 1e-3).all())


def test_what_is_given_is_held_and_holes_are_filled() -> None:
    """p(rest of v | two units), by listing."""
    program, machine = made("binary")
    given = torch.full((4000, 5), torch.nan).double()
    given[:, :2] = torch.tensor([1.0, 0.0])
    drawn = dgmppl.generate(program, given={"v": given}, sweeps=60, seed=0)["v"]
    assert bool((drawn[:, :2] == torch.tensor([1.0, 0.0])).all())
    states, log_w = joint(program, machine)
    kept = (states["v"][:, 0] == 1) & (states["v"][:, 1] == 0)
    p = log_w[kept].softmax(0)
    mean = p @ states["v"][kept]
    error = (mean * (1 - mean) / 4000).sqrt()
    assert bool(((drawn.mean(0) - mean).abs() <= 5 * error).all())
    means = dgmppl.generate(program, given={"v": given}, sweeps=60, means=True, seed=0)["v"]
    assert bool(((means.mean(0) - mean).abs() <= 5 * error).all())
    assert bool((means[:, 2:] % 1 != 0).all())
    whole = dgmppl.generate(program, given={"v": drawn}, sweeps=2)["v"]
    assert torch.equal(whole, drawn)
    with pytest.raises(ValueError, match="got 'w'"):
        dgmppl.generate(program, given={"w": drawn})


class Prior(dgmppl.Program):
    """Two units that like to agree, and a number that is drawn around their sum."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = dgmppl.units("h", Binary(1))
            g = dgmppl.units("g", Binary(1))
            pyro.factor("energy", (2.0 * h * g - g).sum(-1))
            return pyro.sample("x", Normal((h + g).sum(-1), 0.1), obs=x)


def test_an_energy_may_be_the_prior_of_other_sites() -> None:
    drawn = dgmppl.generate(Prior(), 4000, sweeps=40, seed=0)
    total = (drawn["h"] + drawn["g"])[:, 0]
    assert abs(float((drawn["x"] - total).mean())) < 5 * 0.1 / 4000**0.5
    weights = torch.tensor([1.0, 1.0, torch.tensor(-1.0).exp(), torch.tensor(1.0).exp()])
    p = weights / weights.sum()  # of (h, g) = 00, 10, 01, 11
    expected = float(p[1] + p[2] + 2 * p[3])
    assert abs(float(total.mean()) - expected) < 5 * float(total.std()) / 4000**0.5
    found = dgmppl.evidence(Prior(), torch.zeros(3))
    assert found.kind == "unavailable" and "site 'x'" in found.reason


def test_where_few_chains_decide_it_is_said() -> None:
    """Two far modes of which annealing finds one or the other."""
    program, _ = made("binary")
    with torch.no_grad():
        for parameter in program.parameters():
            parameter.mul_(12.0)
    x = states_of(program.layers[0])[0][:3]
    found = dgmppl.evidence(program, x, annealing=Annealing(2, chains=20), seed=0)
    assert "not to be believed" in str(found) and "more steps" in found.caution
    assert dgmppl.evidence(program, x).caution == ""


def test_a_mode_that_data_never_show_is_found() -> None:
    """All units are off in the data; the machine likes them all on three nats better."""
    program = RBM(40, 1)
    with torch.no_grad():
        program.W.fill_(3.0), program.a.fill_(-1.5), program.b.fill_(-57.0)
    x = torch.zeros(50, 40)
    exact = dgmppl.evidence(program, x)
    found = dgmppl.evidence(program, x, annealing=Annealing(300, chains=300), seed=0)
    assert exact.kind == "exact" and found.standard_error is not None
    off = float((found.known - exact.known)[0].abs())
    assert off < 5 * float(found.standard_error[0]) + 0.02
    path = AnnealedPath.of(machine_of(program, x), {"v": x})
    missed = path.forward(Annealing(300).powers, 300)[0].value
    assert missed < dgmppl.evaluation.log_partition(program, x).value - 1.0
