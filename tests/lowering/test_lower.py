"""Graphs do what the function does that they were recorded from, and refuse what they cannot."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

from dgmppl.evaluation import generate
from dgmppl.lowering import (
    Backend,
    Inductor,
    LoweringError,
    Plain,
    Repetition,
    exchanged,
    lower,
    require,
    slots,
)
from dgmppl.lowering.graph import record
from dgmppl.lowering.passes import shorten
from dgmppl.models.vae import VAE

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
ATEN = torch.ops.aten


def ops(graph: torch.fx.GraphModule) -> list[Any]:
    return [node.target for node in graph.graph.nodes if node.op == "call_function"]


class Counting(nn.Module):
    """Running statistics, a buffer that is changed in place and one that is assigned anew."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.linear = nn.Linear(3, 2)
        self.register_buffer("total", torch.zeros(2))
        self.register_buffer("calls", torch.zeros(()))

    total: Tensor
    calls: Tensor

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.norm(x))
        self.total.add_(y.detach().sum(0))
        self.calls = self.calls + 1
        return y


@pytest.mark.parametrize("backend", [Plain(), pytest.param(Inductor(), marks=needs_compiler)])
def test_parameters_are_read_and_buffers_are_written_in_every_call(backend: Backend) -> None:
    torch.manual_seed(0)
    one, two = Counting().double(), Counting().double()
    two.load_state_dict(one.state_dict())
    graph = lower(one, (torch.randn(5, 3, dtype=torch.double),), [one], backend)
    for _ in range(3):
        with torch.no_grad():
            one.linear.weight += 1
            two.linear.weight += 1
        x = torch.randn(5, 3, dtype=torch.double)
        torch.testing.assert_close(graph(x), two(x))
        for name, value in two.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], value)
    assert one.calls == 3


def test_recording_leaves_buffers_alone() -> None:
    module = Counting()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    lower(module, (torch.randn(5, 3),), [module])
    assert all(torch.equal(value, before[n]) for n, value in module.state_dict().items())


def test_shared_parameters_move_together() -> None:
    left, right = nn.Linear(3, 3), nn.Linear(3, 3)
    right.weight = left.weight
    both = nn.Sequential(left, right)
    graph = lower(both, (torch.zeros(2, 3),), [both])
    with torch.no_grad():
        left.weight.normal_()
    x = torch.randn(2, 3)
    assert torch.equal(graph(x), both(x))
    assert len(slots(both)) == 3


def test_a_module_that_stands_in_two_places_gets_its_tensors_back() -> None:
    inner = nn.BatchNorm1d(2)
    module = nn.ModuleDict({"one": inner, "other": nn.Sequential(inner)})
    before = {name: tensor for name, (_, tensor) in slots(module).items()}
    with exchanged(module, {name: tensor.detach() + 1 for name, tensor in before.items()}):
        assert bool((inner.weight == 2).all()) and inner.num_batches_tracked == 1
    assert all(tensor is before[name] for name, (_, tensor) in slots(module).items())
    assert inner.weight.requires_grad


def test_gradients_inside_and_structures_outside() -> None:
    net = nn.Linear(3, 1)

    def slope(x: dict[str, Tensor], power: int) -> dict[str, Any]:
        with torch.enable_grad():
            inner = x["x"].detach().requires_grad_()
            return {"slope": torch.autograd.grad(net(inner).pow(power).sum(), inner)[0], "n": power}

    graph = lower(slope, ({"x": torch.zeros(4, 3)}, 2), [net])
    x = {"x": torch.randn(4, 3)}
    found = graph(x, 2)
    assert torch.equal(found["slope"], slope(x, 2)["slope"]) and found["n"] == 2


def test_tensors_from_elsewhere_are_read_in_every_call() -> None:
    shift = torch.zeros(3)
    graph = lower(lambda x: x + shift, (torch.zeros(3),))
    shift += 5
    assert torch.equal(graph(torch.ones(3)), torch.full((3,), 6.0))


DRAWS = {
    "normal": lambda x: Normal(torch.zeros(4), 1.0).sample() + x,
    "scaled": lambda x: Normal(x, x.exp()).rsample(),
    "bernoulli": lambda x: Bernoulli(logits=x).sample(),
    "dropout": lambda x: nn.functional.dropout(x, 0.5),
    "gamma": lambda x: torch._standard_gamma(x.exp()),
    "uniform": lambda x: torch.rand_like(x) + torch.empty(4).exponential_(),
    "order": lambda x: x[torch.randperm(4)],
    "unused": lambda x: (torch.randn(3), torch.rand(4) * x)[1],
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_graph_draws_the_numbers_of_the_function_and_new_ones_each_time(name: str) -> None:
    x = torch.randn(4)
    graph = lower(DRAWS[name], (x,))
    torch.manual_seed(1)
    expected = [DRAWS[name](x), DRAWS[name](x), torch.rand(3)]
    torch.manual_seed(1)
    found = [graph(x), graph(x), torch.rand(3)]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


@needs_compiler
def test_types_are_those_of_the_recording() -> None:
    """Another default type later does not reach into a graph."""

    def made(x: Tensor) -> Tensor:
        return x + torch.rand(3) + torch.ones(3) + torch.arange(3) + torch.full((3,), 2.0)

    x = torch.zeros(3, dtype=torch.float64)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        graph = lower(made, (x,))
        torch.manual_seed(0)
        expected = made(x)
    finally:
        torch.set_default_dtype(before)
    torch.manual_seed(0)
    assert torch.equal(graph(x), expected)


def test_prior_and_posterior_draws_are_recorded() -> None:
    """`generate` as a graph draws what `generate` draws."""
    vae, x = VAE(data_dim=6, z_dim=2, hidden_features=4), torch.ones(5, 6)

    def redraw(x: Tensor) -> dict[str, Tensor]:
        return generate(vae, x=x, posterior=True, means=True)

    for fn, args in ((partial(generate, vae, 3), ()), (redraw, (x,))):
        graph = lower(fn, args, [vae])
        torch.manual_seed(0)
        expected = [fn(*args) for _ in range(2)]
        torch.manual_seed(0)
        for draws in expected:
            found = graph(*args)
            assert all(torch.equal(found[name], draws[name]) for name in ("z", "x"))


def test_a_compiled_graph_draws_them_too() -> None:
    names = ("normal", "scaled", "bernoulli", "dropout", "unused")

    def all_of_them(x: Tensor) -> list[Tensor]:
        return [DRAWS[name](x) for name in names]

    x = torch.randn(4)
    graph = lower(all_of_them, (x,), backend=Inductor())
    torch.manual_seed(1)
    expected = [*all_of_them(x), torch.rand(3)]
    torch.manual_seed(1)
    for a, b in zip(expected, [*graph(x), torch.rand(3)], strict=True):
        torch.testing.assert_close(a, b)


def test_constants_are_folded_and_products_that_nobody_uses_are_gone() -> None:
    weight = torch.randn(3, 3)

    def fn(x: Tensor) -> list[Tensor]:
        unused = x @ weight
        scale = torch.ones(3).mul(2.0).exp()
        return [x * scale, unused][:1]

    graph, _ = record(fn, [torch.randn(2, 3)])
    assert ATEN.mm.default in ops(graph)
    assert ops(shorten(graph)) == [ATEN.mul.Tensor]


def test_what_is_computed_twice_is_computed_once() -> None:
    """But not with 1 for 1.0, not where a result or an input is changed, and no random number."""
    weight = torch.randn(3, 3)

    def twice(x: Tensor) -> Tensor:
        once, again = (x @ weight).exp(), (x @ weight).exp()
        return once + again.sin() + torch.rand_like(x) + torch.rand_like(x)

    graph = shorten(record(twice, [torch.randn(3, 3)])[0])
    found = ops(graph)
    assert [found.count(op) for op in (ATEN.mm.default, ATEN.exp.default)] == [1, 1]
    assert found.count(ATEN.rand_like.default) == 2

    def changed(x: Tensor) -> tuple[Tensor, Tensor]:
        first = x.exp()
        x.add_(1.0)
        return first + x.exp(), x.exp()

    x = torch.randn(4)
    expected = changed(x.clone())
    graph = shorten(record(changed, [x.clone()])[0])
    for ours, theirs in zip(graph(x.clone()), expected, strict=True):
        torch.testing.assert_close(ours, theirs)

    graph = shorten(record(lambda x: [2 * x, 2 * x], [torch.ones(3)])[0])
    one, other = graph(torch.ones(3))
    one.zero_()  # the caller may
    assert bool((other == 2).all())


def test_running_statistics_see_every_batch() -> None:
    """A normalisation that is called twice on the same moves its statistics twice."""
    torch.manual_seed(0)
    norm, x = nn.BatchNorm1d(3), torch.randn(8, 3)
    graph = lower(lambda x: norm(x) + norm(x), (x,), [norm])
    graph(x)
    means = norm.running_mean.clone()
    norm.reset_running_stats()
    norm(x), norm(x)
    torch.testing.assert_close(means, norm.running_mean)


def test_standard_normals_need_no_zeros_and_ones() -> None:
    graph, _ = record(lambda x: [Normal(torch.zeros(2), 1.0).sample() + x], [torch.zeros(2)])
    assert ops(shorten(graph)) == [ATEN.randn.default, ATEN.add.Tensor]


def test_what_is_changed_in_place_is_no_constant() -> None:
    def fn(x: Tensor) -> list[Tensor]:
        total = torch.zeros(3)
        total.view(-1)[:2].add_(x[:2])
        return [total]

    graph, _ = record(fn, [torch.ones(3)])
    run = shorten(graph).forward
    for _ in range(2):
        assert run(torch.ones(3))[0].tolist() == [1.0, 1.0, 0.0]


def branch(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


REFUSED = {
    "a branch": (branch, "read in Python"),
    "a number": (lambda x: x * x.max().item(), "read in Python"),
    "a mask as an index": (lambda x: x[x > 0].sum(), "shape is made of values"),
    "places": (lambda x: x.nonzero().sum(), "shape is made of values"),
    "an error": (lambda x: x @ torch.zeros(7), "RuntimeError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_graph_is_refused_with_the_line(name: str) -> None:
    fn, reason = REFUSED[name]
    with pytest.raises(LoweringError, match=rf"{reason}.*test_lower\.py, line \d+"):
        lower(fn, (torch.randn(3),))


def test_the_site_is_named() -> None:
    class Odd(Normal):  # type: ignore[misc]
        def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
            return self.loc * float(self.scale)

    def model(x: Tensor) -> Tensor:
        return pyro.sample("odd", Odd(x, x.exp()))

    with pytest.raises(LoweringError, match="at site 'odd'"):
        lower(model, (torch.zeros(()),))


def test_a_requirement_holds_in_graphs_too() -> None:
    def fn(x: Tensor) -> Tensor:
        require(x > 0, lambda: ValueError(f"Expected more than 0, got {float(x.min())}."))
        return x.log()

    with pytest.raises(ValueError, match=r"got -1\.0"):
        fn(-torch.ones(2))
    graph = lower(fn, (torch.ones(2),))
    assert torch.equal(graph(torch.ones(2)), torch.zeros(2))
    with pytest.raises(RuntimeError, match="condition failed"):
        graph(-torch.ones(2))


@pytest.mark.parametrize("lowered", [False, True])
def test_a_repetition_meets_the_same_numbers(lowered: bool) -> None:
    def twice(x: Tensor) -> list[Tensor]:
        draws = Repetition(x.device)

        def run() -> Tensor:
            kept = nn.functional.dropout(x, 0.5) + torch.randn(4)
            return kept + torch.empty(4).exponential_() + Bernoulli(0.5 * x).sample()

        with draws.first():
            a = run()
        with draws.again():
            b = run()
        return [a, b, torch.rand(3)]

    x = torch.ones(4)
    run = lower(twice, (x,)) if lowered else twice
    torch.manual_seed(3)
    a, b, after = run(x)
    torch.manual_seed(3)
    expected = twice(x)
    assert torch.equal(a, b) and torch.equal(a, expected[0]) and torch.equal(after, expected[2])
    assert not np.array_equal(run(x)[0], a)
