"""Reverse annealing is a density of its own, and the other side of annealing's."""

from __future__ import annotations

import pytest
import torch
from small_machines import made, states_of

import dgmppl
from dgmppl.energy import AnnealedPath
from dgmppl.evaluation import Annealing, ReverseAnnealing


@pytest.mark.parametrize("name", ["binary", "categorical", "deep", "gated"])
def test_what_annealing_draws_has_probabilities_that_add_to_one(name: str) -> None:
    """After two powers it is not the machine yet, but a distribution."""
    program, _ = made(name)
    x = states_of(program.layers[0])[0]
    found = dgmppl.evidence(program, x, annealing=ReverseAnnealing(2, 4000), seed=0)
    assert found.standard_error is not None and found.kind.startswith("conservative")
    p = found.known.exp()
    error = (p * found.standard_error).square().sum().sqrt()
    assert 0 < float(error) < 0.02
    assert abs(float(p.sum()) - 1) < 4 * float(error)


@pytest.mark.parametrize("name", ["binary", "spins", "deep"])
def test_the_exact_value_lies_between_both_annealings(name: str) -> None:
    program, _ = made(name)
    x = states_of(program.layers[0])[0]
    both = [
        dgmppl.evidence(program, x, annealing=kind(50, 300), seed=0)
        for kind in (ReverseAnnealing, Annealing)
    ]
    exact = dgmppl.evidence(program, x)
    if exact.kind == "exact":  # of deep machines the bound is compared with itself only
        for found in both:
            assert found.standard_error is not None
            assert bool(((found.known - exact.known).abs() < 5 * found.standard_error).all())
    p = both[0].known.exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=0.05)


def test_graphs_and_python_anneal_alike() -> None:
    program, machine = made("binary")
    path = AnnealedPath.of(machine, {"v": states_of(program.layers[0])[0]})
    powers, found = Annealing(20).powers, []
    for compile in (False, True):
        torch.manual_seed(0)
        below, states = path.forward(powers, 50, compile=compile)
        found.append((below.value, path.backward(powers, states, compile=compile).value))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_documents_are_refused_by_name() -> None:
    program, _ = made("counts")
    x = states_of(program.layers[0])[0]
    found = dgmppl.evidence(program, x, annealing=ReverseAnnealing(2, 10))
    assert found.value is None and "lengths that differ (site 'v')" in found.reason
