"""What is derived from an energy is what listing all states gives."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from small_machines import (
    MACHINES,
    Chain,
    hidden_chi_square,
    hidden_of_gaussian,
    joint,
    made,
    states_of,
)
from torch import Tensor

import dgmppl
from dgmppl.energy import (
    Binary,
    BlockGibbs,
    EnergyError,
    Gaussian,
    SingleSite,
    exact_log_partition,
    machine_of,
)

LISTED = [name for name in MACHINES if name != "gaussian"]


def random_states(program: Any, machine: Any, rows: int = 3) -> dict[str, Tensor]:
    return {n: v.double() for n, v in machine.initial(rows).items()}


@pytest.mark.parametrize("name", LISTED)
def test_conditionals_are_those_of_listing(name: str) -> None:
    program, machine = made(name)
    at = random_states(program, machine)
    for site, layer in machine.layers.items():
        states, base = states_of(layer)
        with torch.no_grad():
            field = machine.fields(at, [site])[site]
            for row in range(3):
                rows = {
                    n: v[row : row + 1].expand(len(states), *v.shape[1:]) for n, v in at.items()
                }
                expected = (machine.log_factor({**rows, site: states}) + base).log_softmax(0)
                linear = (field.linear[row] * states).flatten(1).sum(-1)
                found = linear + base - layer.log_partition(field)[row]
                torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
                mean = (states * expected.exp().reshape(-1, *[1] * (states.dim() - 1))).sum(0)
                torch.testing.assert_close(layer.mean(field)[row], mean, atol=1e-6, rtol=0)


def test_gaussian_conditionals_are_those_of_quadrature() -> None:
    program, machine = made("gaussian")
    at = {n: v[:1] for n, v in random_states(program, machine).items()}
    with torch.no_grad():
        field = machine.fields(at, ["v"])["v"]
    ticks = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    total = 0.0
    for unit in range(2):
        v = torch.zeros(len(ticks), 2, dtype=torch.float64)
        v[:, unit] = ticks
        with torch.no_grad():
            log_f = machine.log_factor({"v": v, "h1": at["h1"].expand(len(ticks), -1)})
            empty = machine.log_factor({"v": v[:1] * 0, "h1": at["h1"]})
        p = (log_f - empty).exp()
        mass = torch.trapezoid(p, ticks)
        mean = torch.trapezoid(p * ticks, ticks) / mass
        variance = torch.trapezoid(p * ticks**2, ticks) / mass - mean**2
        total += float(mass.log())
        assert field.curvature is not None
        assert float(mean) == pytest.approx(
            float(machine.layers["v"].mean(field)[0, unit]), abs=1e-6
        )
        assert float(variance) == pytest.approx(1 / float(field.curvature[0, unit]), abs=1e-6)
    assert total == pytest.approx(float(machine.layers["v"].log_partition(field)), abs=1e-6)


@pytest.mark.parametrize("name", LISTED)
def test_log_z_is_the_sum_of_all_states(name: str) -> None:
    program, machine = made(name)
    start = {n: v[:1] for n, v in random_states(program, machine).items()}
    with torch.no_grad():
        found = exact_log_partition(machine, start)
    torch.testing.assert_close(found, joint(program, machine)[1].logsumexp(0), atol=1e-9, rtol=0)


def test_log_z_of_gaussian_units_is_that_of_quadrature() -> None:
    machine = made("gaussian")[1]
    ticks = torch.linspace(-14, 14, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(ticks, ticks)
    hidden = {"h1": torch.zeros(len(grid), 4, dtype=torch.float64)}
    with torch.no_grad():
        found = exact_log_partition(
            machine, {n: v[:1].double() for n, v in machine.initial(1).items()}
        )
        log_p = machine.marginal({"v": grid, **hidden}, ["h1"])
    area = 2 * (ticks[1] - ticks[0]).log()
    torch.testing.assert_close(found, log_p.logsumexp(0) + area, atol=1e-6, rtol=0)


def test_layers_that_do_not_interact_are_drawn_together() -> None:
    assert made("binary")[1].blocks == (("v",), ("h1",))
    assert made("deep")[1].blocks == (("v", "h2"), ("h1", "h3"))
    assert made("gated")[1].blocks == (("v",), ("h1",), ("h2",))
    assert made("deep")[1].blocks_of(["h1", "h2", "h3"]) == (("h1", "h3"), ("h2",))
    with torch.no_grad():
        assert made("deep")[1].blocks == (("v", "h2"), ("h1", "h3"))
    assert made("binary")[1].blocks_of(["v", "h1"]) == (("h1",), ("v",))


def chi_square(program: Any, machine: Any, sampler: Any, power: float = 1.0) -> float:
    """χ² of a sampler's joint states, from exact ones, over its standard deviation."""
    states, log_w = joint(program, machine)
    base = log_w - machine.log_factor(states).detach()
    p = (power * (log_w - base) + base).softmax(0)
    start = torch.multinomial(p, 100_000, replacement=True)
    moved = sampler(machine, {n: v[start] for n, v in states.items()}, power=power)
    flat = torch.cat([v.flatten(1) for v in states.values()], 1)
    key = torch.rand(flat.shape[1], dtype=torch.float64)
    order = (flat @ key).sort()
    found = torch.cat([moved[n].flatten(1) for n in states], 1) @ key
    counts = torch.zeros(len(p), dtype=torch.float64)
    place = torch.searchsorted(order.values, found - 1e-9)
    assert bool(((order.values[place] - found).abs() < 1e-9).all())  # no other states
    counts.index_add_(0, order.indices[place], torch.ones_like(found))
    expected = 100_000 * p
    common = expected > 5
    rest = torch.stack([counts[~common].sum(), expected[~common].sum()])
    value = ((counts - expected)[common].square() / expected[common]).sum()
    value = value + (rest[0] - rest[1]).square() / rest[1].clamp(min=1.0)
    cells = int(common.sum())
    return float((value - cells) / (2 * cells) ** 0.5)


@pytest.mark.parametrize("power", [1.0, 0.4])
@pytest.mark.parametrize("name", LISTED)
def test_gibbs_leaves_the_distribution_as_it_is(name: str, power: float) -> None:
    program, machine = made(name)
    torch.manual_seed(1)
    assert abs(chi_square(program, machine, BlockGibbs(2), power)) < 4


def test_gibbs_of_gaussian_units_leaves_the_hidden_ones_as_they_are() -> None:
    program, machine = made("gaussian")
    hidden, p = hidden_of_gaussian(program, machine)
    torch.manual_seed(1)
    start = torch.multinomial(p, 100_000, replacement=True)
    states = {"v": torch.zeros(100_000, 2, dtype=torch.float64), "h1": hidden[start]}
    states = BlockGibbs()(machine, states, held=("h1",))  # draws v
    moved = BlockGibbs(2)(machine, states)["h1"]
    assert abs(hidden_chi_square(moved, p) - 15) < 4 * 30**0.5


class Lateral(dgmppl.Program):
    """A layer with weights of its own."""

    def __init__(self, term: str = "lateral") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers, self.names, self.term = (Binary(4), Binary(2)), ("v", "h1"), term
        self.weight = torch.nn.Parameter(torch.randn(4, 4).double())
        self.up = torch.nn.Parameter(torch.randn(4, 2).double())

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.layers[0], obs=x)
            h = dgmppl.units("h1", self.layers[1])
            own = {"lateral": (v @ self.weight) * v, "square": v**2, "relu": (v - 0.5).relu()}
            pyro.factor("energy", own[self.term].sum(-1) + ((v @ self.up) * h).sum(-1))


@pytest.mark.parametrize("term", ["lateral", "square", "relu"])
def test_layers_that_interact_with_themselves_are_refused_by_name(term: str) -> None:
    with pytest.raises(EnergyError, match="Site 'v' interacts with itself"):
        machine_of(Lateral(term), torch.ones(3, 4).double())


@pytest.mark.parametrize(
    ("factor", "layer", "message"),
    [
        (lambda v: None, Binary(2), "Expected a factor over the layers"),
        (lambda v: v.sum(), Binary(2), "one value a datum"),
        (lambda v: v.sum(-1) / 0.0, Binary(2), "finite log-factor"),
        (lambda v: v.sum(-1), Gaussian(2), "grows as the square"),
        (lambda v: -(v**4).sum(-1), Gaussian(2), "interacts with itself"),
    ],
)
def test_bad_energies_are_told(factor: Any, layer: Any, message: str) -> None:
    class Bad(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                value = factor(dgmppl.units("v", layer, obs=x))
                if value is not None and value.dim():
                    pyro.factor("energy", value)
            if value is not None and not value.dim():
                pyro.factor("energy", value)

    with pytest.raises(EnergyError, match=message):
        machine_of(Bad(), torch.ones(3, 2))


def test_no_units_is_told() -> None:
    class Plain(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                pyro.factor("energy", torch.zeros(n if x is None else len(x)))

    with pytest.raises(EnergyError, match="Expected layers of units"):
        machine_of(Plain(), torch.ones(3, 2))


def test_too_many_states_are_not_listed() -> None:
    program = Chain(Binary(30), Binary(26))
    machine = machine_of(program, torch.ones(2, 30).double())
    with pytest.raises(EnergyError, match="annealed importance sampling"):
        exact_log_partition(machine)


def test_values_off_the_support_are_told() -> None:
    _, machine = made("binary")
    with pytest.raises(ValueError, match=r"Expected 0 or 1 at site 'v' of Binary units, got 0\.5"):
        machine.check_states({"v": torch.full((2, 5), 0.5)})
    _, machine = made("counts")
    with pytest.raises(ValueError, match="got -1"):
        machine.check_states({"v": torch.tensor([[1.0, -1.0, 0.0]])})
    with pytest.raises(ValueError, match="longest document"):
        machine.check_states({"v": torch.tensor([[3.0, 2.0, 0.0]])})


def test_single_sites_serve_where_blocks_cannot() -> None:
    """A layer with lateral weights, drawn unit by unit, keeps its distribution."""
    from dgmppl.energy.machine import Machine

    program = Lateral()
    edges = {"v": frozenset({"h1"}), "h1": frozenset({"v"})}
    machine = Machine(program, dict(zip(program.names, program.layers, strict=True)), ("v",), edges)
    torch.manual_seed(1)
    assert abs(chi_square(program, machine, SingleSite(("v",)))) < 4


def test_a_look_without_data_does_not_last() -> None:
    program = Chain(Binary(3), Binary(2))
    assert machine_of(program).observed == () and machine_of(program).visible == ("v",)
    assert machine_of(program, torch.ones(2, 3).double()).observed == ("v",)
    assert machine_of(program).observed == ("v",)


def test_what_is_known_of_a_program_goes_with_it() -> None:
    import gc
    import weakref

    program = Chain(Binary(3), Binary(2))
    machine_of(program, torch.ones(2, 3).double())
    gone = weakref.ref(program)
    del program
    gc.collect()
    assert gone() is None
