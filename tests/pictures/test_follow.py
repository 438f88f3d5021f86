from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from pictures.programs import Conditional, Generator, Ladder, crossing, regression
from pyro.distributions import Delta, Normal

import dgmppl
from dgmppl.pictures.follow import follow
from dgmppl.pictures.relations import Relations, Role


def found(program: Any, x: Any) -> Relations:
    return follow(dgmppl.bind(program, x), x)


def test_a_ladder_is_climbed_down_and_up() -> None:
    graph = found(Ladder(), torch.randn(4, 3))
    assert graph.edges == (("z2", "z1"), ("z1", "x"))
    assert graph.guide_edges == (("x", "z1"), ("z1", "z2"))
    assert graph.guide_distributions == {"z1": "Normal", "z2": "Normal"}
    assert graph.descendants("z2") == {"z1", "x"}


def test_a_condition_is_a_node_and_data_are_not() -> None:
    x = {"pixels": torch.ones(4, 9), "label": torch.ones(4, 2)}
    graph = found(Conditional(), x)
    assert {n: node.role for n, node in graph.nodes.items()} == {
        "label": Role.INPUT,
        "z": Role.LATENT,
        "x": Role.OBSERVED,
    }
    assert set(graph.edges) == {("z", "x"), ("label", "x")}
    assert set(graph.guide_edges) == {("x", "z"), ("label", "z")}


def test_kinds_of_nodes() -> None:
    graph = found(dgmppl.Pair(regression), torch.randn(4, 2))
    assert {n: node.role for n, node in graph.nodes.items()} == {
        "weight": Role.LATENT,
        "noise": Role.LATENT,
        "mean": Role.DETERMINISTIC,
        "y": Role.OBSERVED,
        "penalty": Role.FACTOR,
    }
    expected = {("weight", "mean"), ("mean", "y"), ("noise", "y"), ("weight", "penalty")}
    assert set(graph.edges) == expected
    assert graph.guide_distributions is None


def test_an_implicit_site_depends_on_its_noise() -> None:
    assert found(Generator(), torch.randn(4, 5)).edges == (("z", "x"),)


def test_plates_and_their_sizes() -> None:
    graph = found(dgmppl.Pair(crossing), torch.randn(4, 3))
    assert graph.plates == {"data": "data", "items": "items × 3"}
    assert graph.nodes["x"].plates == {"data", "items"}


def test_auxiliary_draws_of_a_guide_are_seen_through() -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            free = pyro.sample("free", Normal(x, 1.0), infer={"is_auxiliary": True})
            pyro.sample("z", Delta(free))

    graph = found(dgmppl.Pair(model, guide), torch.randn(4))
    assert graph.guide_edges == (("x", "z"),)
    assert graph.guide_distributions == {"z": "Normal"}


def test_following_leaves_the_batch_alone() -> None:
    x = torch.randn(4, 3)
    found(Ladder(), x)
    assert type(x) is torch.Tensor


@pytest.mark.parametrize("vectorised", [True, False])
def test_only_vectorised_plates_are_drawn(vectorised: bool) -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x), dim=-1):
            for i in [0] if vectorised else pyro.plate("parts", 2):
                pyro.sample(f"x{i}", Normal(0.0, 1.0), obs=x)

    assert found(dgmppl.Pair(model), torch.randn(4)).plates == {"data": "data"}
