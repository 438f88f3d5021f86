"""Dreams: draws of latents and data from the model, in the form of a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.data import map_tensors, missing_as_nan
from dgmppl.draw import Draw
from dgmppl.handlers import Redraw, Replay
from dgmppl.handlers.clamp import Clamp
from dgmppl.objectives.objective import ObjectiveError
from dgmppl.program import guide_of
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Dream", "dream", "guide_score"]


@dataclass(frozen=True)
class Dream:
    """A draw from p(z, x).

    Arguments:
        x: The drawn data, in the place of the batch's own.
        latents: Site → value.
        sites: The model's sites, as drawn.
    """

    x: Any
    latents: dict[str, Tensor]
    sites: dict[str, dict[str, Any]]


def dream(
    binding: Binding, x: Any, *, moving: bool = False, given: Mapping[str, Tensor] | None = None
) -> Dream:
    """Draws latents and data from the model, as many as a batch has, under the batch's conditions.

    Arguments:
        binding: The program.
        x: A batch. What the model observes of it is replaced by draws, the rest is kept; what is
            missing stays so.
        moving: Whether gradients are kept.
        given: Latent site → value that is held.

    Raises:
        ObjectiveError: If an observed value is not itself a tensor of the batch.
    """
    model: Any = binding.program.model
    if getattr(binding.program, "reads_missing", False):
        x = missing_as_nan(x)
    kept = torch.set_grad_enabled(moving and torch.is_grad_enabled())
    with kept, isolated(binding.program):
        sites = sample_sites(trace(model, x, handlers=(Redraw(), Clamp(given or {}))))
    drawn = {n: s for n, s in sites.items() if s["infer"].get("was_observed", False)}
    found: set[str] = set()

    def anew(tensor: Tensor) -> Tensor:
        for name, site in drawn.items():
            given = site["infer"].get("given", site["infer"]["obs"])
            if given.data_ptr() == tensor.data_ptr() and given.numel() == tensor.numel():
                found.add(name)
                redrawn = _in_place_of(tensor, given, site["value"])
                return torch.where(tensor.isnan(), tensor, redrawn)
        return tensor

    batch = map_tensors(anew, x)
    if missing := drawn.keys() - found:
        raise ObjectiveError(
            f"Dreams need every observed value to be a tensor of the batch; site '{missing.pop()}' "
            "observes something computed from it. Try obs=x with the preparation done before."
        )
    return Dream(batch, {n: s["value"] for n, s in sites.items() if n not in drawn}, sites)


def _in_place_of(tensor: Tensor, view: Tensor, value: Tensor) -> Tensor:
    """A tensor of which the same view, reshaped or transposed, is `value`."""
    form, seen = (tensor.shape, tensor.stride()), (view.shape, view.stride())
    if form == seen or (view.is_contiguous() and tensor.is_contiguous()):
        return value.reshape(tensor.shape)
    result = torch.empty_strided(*form, dtype=value.dtype, device=value.device)
    return result.as_strided_scatter(value, *seen)


def guide_score(binding: Binding, dreamt: Dream, names: Collection[str] | None = None) -> Tensor:
    """log q(z|x) of a dream, `[1, B]`, open to the guide's parameters.

    Arguments:
        binding: The program.
        dreamt: The dream.
        names: Which of the guide's sites to score; all by default.
    """
    guide = guide_of(binding.program)
    assert guide is not None
    with isolated(binding.program):
        sites = sample_sites(trace(guide, dreamt.x, handlers=(Replay(dreamt.latents),)))
        draw = Draw(binding, {}, sites, sites, {})
        scored = [s for n, s in sites.items() if not s["is_observed"] and n in (names or sites)]
        tables = [draw.log_prob(site) for site in scored]
    return sum(tables[1:], tables[0])
