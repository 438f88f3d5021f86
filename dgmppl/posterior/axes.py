"""From a site's tensor, laid out as Pyro does, to draws × data × plates × event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from pyro.poutine.indep_messenger import CondIndepStackFrame
from torch import Tensor

from dgmppl.binding import Binding

__all__ = ["as_array", "by_draw", "by_unit", "event_dim_of"]


def by_draw(
    binding: Binding,
    value: Tensor,
    event_dim: int,
    frames: Iterable[CondIndepStackFrame],
    number: int,
) -> tuple[Tensor, tuple[str, ...]]:
    """Draws first, then the data, then the other plates, then the event.

    Arguments:
        binding: The program and its plates.
        value: `[particles?, *plates, *event]`.
        event_dim: How many of its last dimensions form an event.
        frames: The plates around the site.
        number: How many draws there are; a value without them is repeated.

    Returns:
        The value `[number, data?, *plates, *event]`, and the names of its plates, the data first.
    """
    depth = -binding.particle_dim - 1
    batch = value.dim() - event_dim
    value = value.reshape((1,) * (depth + 1 - batch) + value.shape)
    plates = {depth + 1 + f.dim: f for f in frames if f.dim is not None and f.name != "particles"}
    value = value.expand(
        number,
        *(plates[d].size if d in plates else -1 for d in range(1, depth + 1)),
        *value.shape[depth + 1 :],
    )
    order = sorted(plates, key=lambda d: (plates[d].name != binding.data_plate, d))
    bare = [d for d in range(1, depth + 1) if d not in plates and value.shape[d] > 1]
    gone = [d for d in range(1, depth + 1) if d not in plates and value.shape[d] == 1]
    event = range(depth + 1, value.dim())
    value = value.permute(0, *order, *bare, *event, *gone)
    return value.reshape(value.shape[: value.dim() - len(gone)]), tuple(
        plates[d].name for d in order
    )


def by_unit(
    binding: Binding, site: dict[str, Any], value: Tensor, event_dim: int, number: int
) -> Tensor:
    """Draws first, then the data, then the units: other plates and the event in one.

    Arguments:
        binding: The program and its plates.
        site: A traced site.
        value: A value in its plates.
        event_dim: How many of the value's last dimensions form an event.
        number: How many draws there are; a value without them is repeated.

    Returns:
        `[number, B, units]`; `[number, 1, units]` outside the data plate.
    """
    frames = site["cond_indep_stack"]
    value, _ = by_draw(binding, value, event_dim, frames, number)
    if not binding.is_local(frames):
        value = value.unsqueeze(1)
    return value.reshape(*value.shape[:2], -1)


def event_dim_of(binding: Binding, site: dict[str, Any], number: int) -> int:
    """How many of the last dimensions of a site's value form an event.

    A `pyro.deterministic` that does not say takes them all; there the plates are sought in front.
    """
    value, event_dim = site["value"], site["fn"].event_dim
    if not site["infer"].get("_deterministic", False) or event_dim < value.dim():
        return event_dim
    sizes = {f.dim: f.size for f in site["cond_indep_stack"] if f.dim is not None}
    shape = [sizes.get(d, 1) for d in range(binding.particle_dim, 0)]
    if number > 1:
        shape[0] = number
    while shape and shape[0] == 1:
        del shape[0]
    front = value.shape[: len(shape)]
    fits = len(front) == len(shape) and all(b in (1, a) for a, b in zip(front, shape, strict=True))
    return value.dim() - len(shape) if fits else value.dim()


def as_array(value: Tensor, fn: Any) -> np.ndarray:
    """As NumPy keeps it: values of a discrete support as whole numbers, 0/1 in a byte each.

    Arguments:
        value: A site's value.
        fn: The site's distribution.
    """
    value = value.detach().cpu()
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    if value.is_floating_point() or value.dtype == torch.bool:
        kind = _discrete(fn)
        if kind is not None:
            value = value.to(kind)
    return value.numpy()


def _discrete(fn: Any) -> torch.dtype | None:
    """The type of whole numbers that holds a support, `None` if it is continuous."""
    try:
        support = fn.support
    except (AttributeError, NotImplementedError):
        return None
    if not getattr(support, "is_discrete", False):
        return None
    kind = str(getattr(support, "base_constraint", support)).lower()
    return torch.int8 if "boolean" in kind or "onehot" in kind.replace("_", "") else torch.int32
