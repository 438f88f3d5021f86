"""Record what a function does to tensors as one graph of PyTorch operations."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

import pyro
import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["LoweringError", "NoGraphError", "is_lowering", "record", "require"]

#: Where frames lie that are not the user's, for errors.
_FOREIGN = ("/torch/", "/pyro/", "/contextlib.py", "/functools.py", "/dgmppl/lowering/")

_SAMPLE = inspect.unwrap(pyro.sample).__code__


class LoweringError(RuntimeError):
    """What keeps a function from running as a graph."""


class NoGraphError(LoweringError):
    """What cannot be written as a fixed graph of operations, and where."""


def is_lowering() -> bool:
    """Whether operations are being recorded just now, so that values must not be looked at."""
    return get_proxy_mode() is not None


def require(condition: Tensor, error: Callable[[], Exception]) -> None:
    """Raises an error unless all of a condition holds; in a graph, one without its details.

    Arguments:
        condition: Truth values, any shape.
        error: Makes the error, and may read values for its message.

    Example:
        >>> require(torch.tensor([1.0, 2.0]) > 0, lambda: ValueError("Expected more than 0."))
    """
    if is_lowering():
        torch._assert_async(condition.all(), "A condition failed; compile=False tells which.")
    elif not bool(condition.all()):
        raise error()


def record(
    fn: Callable[..., list[Tensor]], inputs: list[Tensor]
) -> tuple[fx.GraphModule, list[Tensor]]:
    """The operations that a function of tensors carries out, random draws among them.

    What is no tensor is fixed: shapes, Python's branches, training mode.

    Arguments:
        fn: Takes and returns tensors. It may change inputs in place.
        inputs: Tensors like those that the graph will be called with. The function is run on them:
            pass copies of what must not change.

    Returns:
        A module whose graph holds ATen operations only, and the tensors that the function read
        beside its inputs: the module takes them after those.

    Raises:
        NoGraphError: If the function looks at a value or makes a shape of one, with the operation
            and the line of the program.
    """

    def watched(*tensors: Tensor) -> list[Tensor]:
        with pyro.validation_enabled(False), _Watch():  # which would look at values
            return fn(*tensors)

    try:
        graph = make_fx(watched, tracing_mode="real")(*inputs)
    except Exception as error:
        raise NoGraphError(_reason(error)) from error
    _keep_types(graph)
    return graph, _lift(graph)


class _Watch(TorchDispatchMode):
    """Refuses operations whose result on the first inputs a graph would silently keep."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if torch.Tag.dynamic_output_shape in func.tags and not _plain_index(func, args):
            raise NoGraphError(f"a shape is made of values ({func})")
        return func(*args, **(kwargs or {}))


def _plain_index(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an indexing takes whole numbers, of which each gives one row."""
    if func is not torch.ops.aten.index.Tensor:
        return False
    return all(i is None or i.dtype not in (torch.bool, torch.uint8) for i in args[1])


def _keep_types(graph: fx.GraphModule) -> None:
    """New tensors keep the type that they had, whatever the default will be."""
    for node in graph.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload) or node.all_input_nodes:
            continue
        made = node.meta.get("val")
        typed = any(argument.name == "dtype" for argument in node.target._schema.arguments)
        if typed and isinstance(made, Tensor) and node.kwargs.get("dtype") is None:
            node.kwargs = {**node.kwargs, "dtype": made.dtype}


def _lift(graph: fx.GraphModule) -> list[Tensor]:
    """Makes inputs of tensors that were there before, which somebody may change in place."""
    found: dict[int, tuple[Tensor, fx.Node]] = {}
    last = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    for node in list(graph.graph.nodes):
        fresh = all("lift_fresh" in str(user.target) for user in node.users)
        if node.op != "get_attr" or fresh:
            continue
        tensor = getattr(graph, str(node.target))
        if id(tensor) not in found:
            with graph.graph.inserting_after(last):
                last = graph.graph.placeholder(f"captured_{len(found)}")
            found[id(tensor)] = (tensor, last)
        node.replace_all_uses_with(found[id(tensor)][1])
        graph.graph.erase_node(node)
    return [tensor for tensor, _ in found.values()]


def _reason(error: BaseException) -> str:
    """What failed, at which site and line of the program."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    text = str(chain[-1])
    if "tracing tensor" in text:
        op = text.partition("with ")[2].partition(" ")[0].rstrip(".,")
        text = f"a value is read in Python ({op})"
    elif not isinstance(chain[-1], LoweringError):
        text = f"{type(chain[-1]).__name__}: {text.splitlines()[0] if text else ''}"
    site, place = None, ""
    for part in chain:
        for frame, line in traceback.walk_tb(part.__traceback__):
            site = _site(frame) or site
            name = frame.f_code.co_filename
            if not any(foreign in name for foreign in _FOREIGN):
                place = f" ({'/'.join(name.split('/')[-2:])}, line {line})"
    return text + (f" at site '{site}'" if site else "") + place


def _site(frame: FrameType) -> str | None:
    """The site that is drawn or scored in a frame."""
    if frame.f_code is _SAMPLE:
        return str(frame.f_locals["name"])
    scored = frame.f_locals.get("site")
    return str(scored["name"]) if isinstance(scored, dict) and "name" in scored else None
