"""Make a recorded graph shorter without changing a bit of what it computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

__all__ = ["shorten"]

_ATEN = torch.ops.aten
#: What gives back its input, where nobody asks for gradients.
_SAME = (_ATEN.detach.default, _ATEN.alias.default)
#: Constants above this many numbers are computed anew: they would only take memory.
_LARGEST = 65_536


def shorten(graph: fx.GraphModule) -> fx.GraphModule:
    """Folds constants, draws standard normals directly, and removes what is done twice or unused.

    Random operations stay even where nobody uses them: the stream of random numbers is the
    function's own.

    Arguments:
        graph: From `record`; it is changed.
    """
    _skip(graph)
    _fold(graph)
    _draw_directly(graph)
    _merge(graph)
    graph.graph.eliminate_dead_code(is_impure_node=_has_effect)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _op(node: fx.Node) -> torch._ops.OpOverload | None:
    return node.target if isinstance(node.target, torch._ops.OpOverload) else None


def _has_effect(node: fx.Node) -> bool:
    """Whether a node does more than compute its value."""
    op = _op(node)
    if op is None:
        return bool(node.op in ("placeholder", "output"))
    random = torch.Tag.nondeterministic_seeded in op.tags
    hidden = "assert" in op.name() or "batch_norm" in op.name()  # running statistics, unannounced
    return random or op._schema.is_mutable or hidden


def _skip(graph: fx.GraphModule) -> None:
    """Removes operations that give back their input."""
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target in _SAME:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)


def _written(graph: fx.GraphModule, *, returned: bool = False) -> set[fx.Node]:
    """Nodes whose memory may be changed in place: arguments that are, and what they view.

    Arguments:
        graph: The graph.
        returned: Whether results count, which the caller may change.
    """
    output = next(node for node in reversed(graph.graph.nodes) if node.op == "output")
    found: set[fx.Node] = {*output.all_input_nodes} if returned else set()
    for node in reversed(graph.graph.nodes):
        op = _op(node)
        if op is None:
            continue
        for argument, value in zip(op._schema.arguments, node.args, strict=False):
            alias = argument.alias_info
            if not isinstance(value, fx.Node) or alias is None:
                continue
            if alias.is_write or node in found:
                found.add(value)
    return found


def _fold(graph: fx.GraphModule) -> None:
    """Computes now what depends on no input."""
    written = _written(graph)
    known: dict[fx.Node, Tensor] = {}
    for node in list(graph.graph.nodes):
        if node.op == "get_attr" and node not in written:
            value = getattr(graph, str(node.target))
            if isinstance(value, Tensor):
                known[node] = value
        elif node not in written and all(parent in known for parent in node.all_input_nodes):
            _keep(graph, node, known)


def _keep(graph: fx.GraphModule, node: fx.Node, known: dict[fx.Node, Tensor]) -> None:
    """Puts a constant in the place of a node that depends on nothing else."""
    if _op(node) is None or _has_effect(node):
        return
    arguments, options = torch.fx.node.map_arg(
        (node.args, node.kwargs), lambda parent: known[parent]
    )
    with torch.no_grad():
        value: Any = node.target(*arguments, **options)  # type: ignore[operator]
    if not isinstance(value, Tensor) or value.numel() > _LARGEST:
        return
    name = f"constant_{len(known)}"
    graph.register_buffer(name, value, persistent=False)
    with graph.graph.inserting_before(node):
        constant = graph.graph.get_attr(name)
    node.replace_all_uses_with(constant)
    known[constant] = value


def _merge(graph: fx.GraphModule) -> None:
    """Computes once what is computed twice from the same."""
    written = _written(graph, returned=True)
    first: dict[Any, fx.Node] = {}
    for node in list(graph.graph.nodes):
        op = _op(node)
        fixed = written.isdisjoint((node, *node.all_input_nodes))
        if op is None or not fixed or _has_effect(node):
            continue
        known = first.setdefault((op, _key(node.args), _key(dict(node.kwargs))), node)
        if known is not node:
            node.replace_all_uses_with(known)
            graph.graph.erase_node(node)


def _key(value: Any) -> Any:
    """A structure of arguments in a form that can be looked up; 1 is not 1.0."""
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    return (type(value), value)


def _draw_directly(graph: fx.GraphModule) -> None:
    """N(0, 1) with the same random numbers, without its tensors of zeros and ones."""
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target is _ATEN.normal.Tensor_Tensor:
            means, scales = (_constant(graph, part) for part in node.args[:2])
            if means is None or scales is None or bool(means.any()) or bool((scales != 1).any()):
                continue
            shape = list(torch.broadcast_shapes(means.shape, scales.shape))
            with graph.graph.inserting_before(node):
                drawn = graph.graph.call_function(
                    _ATEN.randn.default, (shape,), {"dtype": means.dtype, "device": means.device}
                )
            node.replace_all_uses_with(drawn)
            graph.graph.erase_node(node)


def _constant(graph: fx.GraphModule, node: Any) -> Tensor | None:
    if isinstance(node, fx.Node) and node.op == "get_attr":
        value = getattr(graph, str(node.target))
        return value if isinstance(value, Tensor) else None
    return None
