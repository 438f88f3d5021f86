"""Errors that a look at the traces can find, each naming the site and the cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from torch import Tensor

from dgmppl.data.nested import map_tensors, named_tensors
from dgmppl.sites import Kind, NoDensityError, base_distribution, site_kind

__all__ = [
    "ProgramError",
    "check_names",
    "check_parameters",
    "check_plates",
    "check_sites",
    "explain",
]


class ProgramError(ValueError):
    """A program that cannot be run, scored or learned as it stands."""


@contextmanager
def explain(part: str, x: Any) -> Iterator[None]:
    """Says which part of a program failed on what batch."""
    try:
        yield
    except (NoDensityError, ProgramError, NotImplementedError):
        raise
    except Exception as error:
        if "Multiple" in str(error) and "named" in str(error):
            name = str(error).split("named '")[-1].split("'")[0]
            raise ProgramError(
                f"Site '{name}' is used twice in the {part}. Try a name of its own for each site, "
                "and one with block for each plate."
            ) from error
        bad = [entry for entry, tensor in named_tensors(x) if not _finite(tensor)]
        if bad and isinstance(error, ValueError):  # of a distribution; a shape is a RuntimeError
            raise ProgramError(
                f"The {part} failed on a batch with NaN or infinite values in entry '{bad[0]}': "
                f"{error}. Try removing those rows, or dgmppl.Incomplete(program), with NaN or a "
                "mask where values are missing."
            ) from error
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ProgramError(
            f"The {part} failed on a batch of shape {_shapes(x)}: {reason}. Expected the shape its "
            "networks were built for; try describe(program, x) on a batch of that shape."
        ) from error


def check_names(model: Mapping[str, Any], guide: Mapping[str, Any], *, has_guide: bool) -> None:
    """The guide draws exactly the model's latent sites.

    Of a program that has no density anyway it may draw some only, and of an energy's layers.
    """
    whole = all(site_kind(site) is not Kind.IMPLICIT for site in model.values())
    latents = [n for n, s in model.items() if not s["is_observed"] and s["type"] == "sample"]
    drawn = list(guide)
    missing = [n for n in latents if n not in drawn and site_kind(model[n]) is not Kind.ENERGY]
    if has_guide and whole and missing:
        raise ProgramError(
            f"The guide misses the latent site '{missing[0]}' (it draws {drawn}). Try adding "
            f"pyro.sample('{missing[0]}', …) to the guide, or give the site data with obs=."
        )
    for name in drawn:
        if name not in model and not guide[name]["infer"].get("is_auxiliary", False):
            raise ProgramError(
                f"The guide draws site '{name}', which the model does not have (its latent sites: "
                f"{latents}). Try the model's name, or infer={{'is_auxiliary': True}}."
            )
        if name in model and model[name]["is_observed"]:
            raise ProgramError(
                f"The guide draws site '{name}', which the batch observes. Try removing it there."
            )


def check_plates(model: Mapping[str, Any], guide: Mapping[str, Any], plate: str | None) -> None:
    """A latent site lies in the data plate in both programs or in neither."""

    def inside(site: Any) -> bool:
        return any(frame.name == plate for frame in site["cond_indep_stack"])

    for name in guide.keys() & model.keys():
        if inside(model[name]) != inside(guide[name]):
            where, other = ("model", "guide") if inside(model[name]) else ("guide", "model")
            raise ProgramError(
                f"Site '{name}' is inside plate '{plate}' in the {where} but not in the {other}. "
                f"Try the same plate around it in the {other}."
            )


def check_sites(sites: Mapping[str, Any], part: str) -> list[Tensor]:
    """Every explicit site fits its distribution; returns their log-densities."""
    result = []
    for name, site in sites.items():
        if part == "model" and getattr(site["fn"], "has_rsample", None) is None:
            raise ProgramError(
                f"Site '{name}' has no distribution but {type(site['fn']).__name__}."
            )
        if part == "model" and site["is_observed"]:
            _check_shape(name, site)
        if site_kind(site) is not Kind.IMPLICIT:
            result.append(_checked_log_prob(name, site, part))
    return result


def _check_shape(name: str, site: Any) -> None:
    fn, value = site["fn"], site["value"]
    expected = tuple(fn.batch_shape + fn.event_shape)
    if not isinstance(value, Tensor):
        raise ProgramError(
            f"Site '{name}' observes a {type(value).__name__}. Expected a tensor of shape "
            f"{expected}."
        )
    if tuple(value.shape) != expected:
        raise ProgramError(
            f"Site '{name}' expected data of shape {expected}, got {tuple(value.shape)}. Try data "
            "of that width, or a program built for this one."
        )


def _checked_log_prob(name: str, site: Any, part: str) -> Tensor:
    fn, value = site["fn"], site["value"]
    kind = type(base_distribution(fn)).__name__
    if site["is_observed"] and torch.is_floating_point(value) and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ProgramError(
            f"Site '{name}' observes {bad} values that are NaN or infinite. Try removing those "
            "rows, or dgmppl.Incomplete(program), with NaN or a mask where values are missing."
        )
    try:
        log_prob = fn.log_prob(value)
    except ValueError as error:
        outside = _outside(fn, value)
        if outside is None:
            raise ProgramError(f"Site '{name}' in the {part}: {error}") from error
        raise ProgramError(
            f"Site '{name}' observes {outside[0]} values off the support of {kind}, such as "
            f"{outside[1]:.4g}. {_cure(kind)}"
        ) from error
    if kind == "Delta" and site["is_observed"]:
        raise ProgramError(
            f"Site '{name}' is a Delta likelihood: −∞ on real data. Try dgmppl.implicit('{name}', "
            "…) for a generator without density, or a Normal around the value."
        )
    mask = site["mask"]
    seen = log_prob if not isinstance(mask, Tensor) else torch.where(mask, log_prob, 0.0)
    if mask is not False and not torch.isfinite(seen).all():
        raise ProgramError(
            f"Site '{name}' in the {part} has a log-density that is not finite on the first batch. "
            f"Try describe(program, x) and look at its {kind}'s parameters."
        )
    return log_prob


def _outside(fn: Any, value: Tensor) -> tuple[int, float] | None:
    """How many values are off the support, and one of them."""
    base = base_distribution(fn)
    try:
        wrong = ~base.support.check(value)
    except (NotImplementedError, RuntimeError):
        return None
    if not wrong.any():
        return None
    return int(wrong.sum()), float(
        value[wrong].flatten()[0] if wrong.shape == value.shape else value.max()
    )


def _cure(kind: str) -> str:
    if kind == "Bernoulli":
        return (
            "Expected 0 or 1. Try load(…, pixels=DynamicBinarisation()), or pyro's "
            "ContinuousBernoulli for grey values."
        )
    return "Try data on that support, or a likelihood whose support the data lie in."


def check_parameters(trace: Any, part: str) -> None:
    """No parameter is left to the global store, which this layer never reads."""
    get = pyro.get_param_store().get_param
    for name, node in trace.nodes.items():
        if node["type"] == "param" and node["fn"] == get:
            raise ProgramError(
                f"The {part} declares pyro.param('{name}'), which would live in Pyro's global "
                "store. Try torch.nn.Parameter in the module, or dgmppl.Pair(model, guide), which "
                "keeps it."
            )


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _shapes(x: Any) -> Any:
    """The shapes of a batch's tensors."""
    return map_tensors(lambda tensor: tuple(tensor.shape), x)
