"""How missing entries are written: as NaN, or by a mask beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dgmppl.data.nested import Tensors

__all__ = ["missing_as_nan"]


def missing_as_nan(x: Any) -> Tensors:
    """A batch in which every missing entry is NaN.

    Arguments:
        x: A batch, with NaN for what is missing; or `{"x": batch, "mask": mask}`, where `mask` is
            true at what is observed and has the batch's structure and shapes (entries that it lacks
            are wholly observed).

    Returns:
        The batch itself; integers that a mask hides in part become floating numbers.

    Raises:
        ValueError: If a mask is not of its entry's shape.

    Example:
        >>> missing_as_nan({"x": torch.tensor([3, 4]), "mask": torch.tensor([True, False])})
        tensor([3., nan])
    """
    if isinstance(x, Mapping) and x.keys() == {"x", "mask"}:
        return _hidden(x["x"], x["mask"], "x")
    return x


def _hidden(x: Any, mask: Any, name: str) -> Any:
    """The entries of a batch, NaN where their masks are false."""
    if mask is None or x is None:
        return x
    if isinstance(x, Mapping):
        return {key: _hidden(entry, mask.get(key), f"{name}.{key}") for key, entry in x.items()}
    if isinstance(x, tuple | list):
        pairs = enumerate(zip(x, mask, strict=True))
        return tuple(_hidden(entry, part, f"{name}.{i}") for i, (entry, part) in pairs)
    if mask.shape != x.shape:
        raise ValueError(
            f"Expected a mask of shape {tuple(x.shape)} beside entry '{name}', true where a value "
            f"is observed, got shape {tuple(mask.shape)}. Try mask.expand_as(x)."
        )
    values = x if x.is_floating_point() else x.to(torch.get_default_dtype())
    return torch.where(mask.bool(), values, values.new_full((), torch.nan))
