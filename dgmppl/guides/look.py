"""A look at a model on an example batch: the latent sites that a guide is to draw."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch import nn

from dgmppl.binding import Binding, bind
from dgmppl.guides.discrete import Discrete
from dgmppl.guides.latent import Latent
from dgmppl.program import Pair, guide_of, with_guide, without_guide
from dgmppl.site_checks import ProgramError
from dgmppl.sites import Kind
from dgmppl.traces import evaluating, isolated, sample_sites, trace

__all__ = ["Rows", "look"]


@dataclass(frozen=True)
class Rows:
    """The data plate.

    Arguments:
        name: Its name.
        full_size: N where the model gives the plate the whole data's size; else `None`.
    """

    name: str
    full_size: int | None

    def plate(self, rows: int) -> pyro.plate:
        """The plate over a batch of some rows, scaled as the model scales it."""
        if self.full_size is None:
            return pyro.plate(self.name, rows, dim=-1)
        return pyro.plate(self.name, self.full_size, subsample=torch.arange(rows), dim=-1)


class _ModelOnly(nn.Module):
    """A program as if it had no guide."""

    def __init__(self, program: nn.Module):
        super().__init__()
        self.program = program
        self.data_plate = getattr(program, "data_plate", None)

    def model(self, x: Any = None, n: int = 1) -> Any:
        return self.program.model(x, n)  # type: ignore[operator]


def look(
    program: nn.Module | Callable[..., Any],
    features: nn.Module,
    example: Any,
    names: Collection[str] | None,
) -> tuple[tuple[Latent | Discrete, ...], Rows, torch.Tensor]:
    """Runs the model and the features once on an example.

    Arguments:
        program: A program (its guide is not run), or a Pyro model.
        features: A network from a batch to `[B, F]`.
        example: A batch.
        names: The latent sites to draw; `None` for all.

    Returns:
        The latent sites in the model's order, the data plate, and the example's features `[B, F]`.

    Raises:
        ProgramError: If a site cannot be drawn by an amortised guide, or the features do not fit.
    """
    whole = program if hasattr(program, "model") else Pair(program)
    module = _ModelOnly(without_guide(whole))  # type: ignore[arg-type]
    binding = bind(module, example)
    with torch.random.fork_rng(), torch.no_grad(), evaluating(module), isolated(module):
        sites = sample_sites(trace(module.model, example))
        with evaluating(features):
            read: Any = guide_of(with_guide(module.program, features))
            encoded = read(example)
    latents = {n: s for n, s in sites.items() if not s["is_observed"]}
    for name in _chosen(latents, names):
        _check(binding, name, latents[name])
    rows = next(f for s in sites.values() for f in s["cond_indep_stack"] if _is(f, binding))
    _check_features(encoded, rows.size)
    scaled = rows.full_size is not None and rows.full_size > rows.size
    found = {n: latents[n]["fn"] for n in _chosen(latents, names)}
    chosen = tuple(Discrete.of(n, fn) or Latent.of(n, fn) for n, fn in found.items())
    return chosen, Rows(rows.name, rows.full_size if scaled else None), encoded


def _is(frame: Any, binding: Binding) -> bool:
    return frame.name == binding.data_plate


def _chosen(latents: dict[str, Any], names: Collection[str] | None) -> list[str]:
    """The sites to draw, in the model's order."""
    unknown = [n for n in names or () if n not in latents]
    if unknown or not latents or (names is not None and not names):
        raise ProgramError(
            f"Expected latent sites of the model, got {unknown or 'none'}; it has "
            f"{list(latents)}. Try sites=None for all of them."
        )
    return [n for n in latents if names is None or n in names]


def _check(binding: Binding, name: str, site: dict[str, Any]) -> None:
    """A site that one row of features can say all of: an explicit one, per datum, unmasked."""
    if not binding.sites[name].local:
        others = [s.name for s in binding.latents if s.local]
        raise ProgramError(
            f"Latent site '{name}' is global: it lies outside the data plate. Expected one value a "
            f"datum. Try Beside(amortized(…, sites={others}), AutoNormal(pyro.poutine.block("
            f"program.model, expose=['{name}'])))."
        )
    if binding.sites[name].kind is not Kind.EXPLICIT:
        raise ProgramError(
            f"Latent site '{name}' has no density (it is {binding.sites[name].kind}). Expected an "
            "explicit prior."
        )
    others = [f.name for f in site["cond_indep_stack"] if not _is(f, binding)]
    if others or binding.data_dim != -1:
        raise ProgramError(
            f"Latent site '{name}' lies in plates {others} besides the data plate, at dim "
            f"{binding.data_dim}. Expected only the data plate, at dim -1. Try one site with "
            ".to_event(…) in their place."
        )
    if isinstance(site["mask"], torch.Tensor) or site["mask"] is False:
        raise ProgramError(
            f"Latent site '{name}' is masked, and the guide would not know where. Expected a site "
            "without a mask. Try a guide of your own for it in Beside(…)."
        )


def _check_features(encoded: Any, rows: int) -> None:
    """One row of features a datum."""
    shape = tuple(encoded.shape) if isinstance(encoded, torch.Tensor) else type(encoded).__name__
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != rows:
        raise ProgramError(
            f"Expected features of shape ({rows}, number of features), got {shape}. Try a network "
            "that ends with torch.nn.Flatten()."
        )
