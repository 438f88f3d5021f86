from __future__ import annotations

from itertools import combinations

import pytest

from dgmppl.pictures.layout import layout
from dgmppl.pictures.plates import RADIUS, half_width
from dgmppl.pictures.relations import Node, Relations, Role
from dgmppl.pictures.shortened import shortened


def graph(plates: dict[str, str], *edges: str) -> Relations:
    nodes = {n: Node(n, Role.LATENT, "Normal", frozenset(p)) for n, p in plates.items()}
    labels = {plate: plate for plate in sorted(set("".join(plates.values())))}
    return Relations(nodes, tuple((up, down) for up, down in edges), plates=labels)


GRAPHS = {
    "vae": graph({"z": "D", "x": "D"}, "zx"),
    "global": graph({"w": "", "z": "D", "x": "D"}, "wx", "zx"),
    "many": graph({"a": "", "b": "", "c": "", "x": "D"}, "ax", "bx", "cx"),
    "nested": graph({"m": "", "z": "D", "x": "DP", "y": "D"}, "mz", "zx", "zy"),
    "crossing": graph({"u": "A", "v": "B", "r": "AB"}, "ur", "vr"),
    "same": graph({"z": "AB", "x": "AB"}, "zx"),
    "skip": graph({"a": "D", "b": "D", "c": "D"}, "ab", "bc", "ac"),
    "apart": graph({"a": "A", "b": "B"}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_plates_hold_their_own_nodes_and_no_others(name: str) -> None:
    relations = GRAPHS[name]
    places = layout(relations)
    for node in relations.nodes.values():
        x, y = places.positions[node.name]
        for plate, (left, bottom, right, top) in places.boxes.items():
            inside = left < x < right and bottom < y < top
            assert inside == (plate in node.plates), (node.name, plate)


@pytest.mark.parametrize("name", GRAPHS)
def test_arrows_point_down_and_nodes_keep_apart(name: str) -> None:
    relations = GRAPHS[name]
    places = layout(relations).positions
    assert all(places[up][1] > places[down][1] for up, down in relations.edges)
    for a, b in combinations(relations.nodes.values(), 2):
        (x0, y0), (x1, y1) = places[a.name], places[b.name]
        assert abs(x0 - x1) > half_width(a) + half_width(b) or abs(y0 - y1) > 2 * RADIUS


def test_a_plate_inside_another_lies_inside_its_box() -> None:
    boxes = layout(GRAPHS["nested"]).boxes
    (l0, b0, r0, t0), (l1, b1, r1, t1) = boxes["D"], boxes["P"]
    assert l0 < l1 and b0 < b1 and r1 < r0 and t1 < t0


def test_long_series_are_cut_and_short_graphs_are_not() -> None:
    names = [f"{kind}{i}" for i in range(10) for kind in "zx"]
    edges = [(f"z{i}", f"x{i}") for i in range(10)]
    long = Relations({n: Node(n, Role.LATENT) for n in names}, tuple(edges))
    cut, note = shortened(long)
    assert list(cut.nodes) == ["z0", "x0", "z1", "x1", "z2", "x2"]
    assert cut.edges == (("z0", "x0"), ("z1", "x1"), ("z2", "x2"))
    assert note == "and so on to z9, x9"
    assert shortened(GRAPHS["vae"]) == (GRAPHS["vae"], "")
