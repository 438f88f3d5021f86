"""Draw from a program."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.evaluation.draw_machine import draw_machine
from dgmppl.handlers import Complete, Redraw, Replay
from dgmppl.program import guide_of
from dgmppl.randomness import seeded
from dgmppl.sites import mean_of
from dgmppl.traces import evaluating, isolated, sample_sites, subsample_sites, trace

__all__ = ["generate"]


def generate(
    program: nn.Module,
    n: int = 1,
    *,
    x: Any = None,
    given: Mapping[str, Tensor] | None = None,
    mask: Mapping[str, Tensor] | None = None,
    posterior: bool = False,
    means: bool = False,
    sweeps: int = 1000,
    seed: int | None = None,
) -> dict[str, Tensor]:
    """Draws every site of the model.

    To draw the same way again and again, `dgmppl.lowering.lower` records it as a graph.

    Arguments:
        program: The program.
        n: How many data, from the prior; with `given` it follows from the values.
        x: A batch whose observed sites are drawn anew: for conditional programs, whose conditions
            it holds, and for adopted Pyro pairs, which need one for its shape.
        given: Site → value `[n, …]` that is held, such as a latent code. Where it is NaN, it is
            drawn given the rest: at sites of `Autoregressive` distributions, such as the lower half
            of a picture, and of programs that are written as an energy.
        mask: Site → which elements of the given value are held, of a shape that broadcasts with it:
            for whole numbers, which cannot be NaN, such as a text's beginning.
        posterior: Whether latents are drawn from the guide at `x`: reconstructions.
        means: Whether to return the mean of the observed sites' distributions in place of their
            draws (without `x`: of the program's last site). Pictures are clearer so.
        sweeps: Of block Gibbs, for programs that are written as an energy: their draws are states
            of chains that are cooled in the first half of them, and mix no better than these do.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        Site → value, one row a datum, without gradients.

    Raises:
        ValueError: If `posterior` is asked for without `x` or without a guide, a given or masked
            site is unknown, or a part of a value is given to a site that cannot draw the rest.

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> draws = generate(VAE(data_dim=16, z_dim=2), 3, seed=0)
        >>> draws["z"].shape, draws["x"].shape
        (torch.Size([3, 2]), torch.Size([3, 16]))

        >>> from functools import partial
        >>> from dgmppl.lowering import lower
        >>> vae = VAE(data_dim=16, z_dim=2)
        >>> draw = lower(partial(generate, vae, 3), (), [vae])
        >>> draw()["x"].shape
        torch.Size([3, 16])
    """
    values = dict(given or {})
    known = _known(values, mask or {})
    if values and x is None:
        n = len(next(iter(values.values())))
    with (
        torch.no_grad(),
        evaluating(program),
        nullcontext() if seed is None else seeded(seed),
        isolated(program),
    ):
        if posterior:
            values = _latents(program, x) | values
        whole = {name: value for name, value in values.items() if name not in known}
        handlers: list[Any] = [] if x is None else [Redraw()]
        handlers += [Replay(whole), Complete(values, known)]
        arguments = (None, n) if x is None else (x,)
        drawn = trace(program.model, *arguments, handlers=handlers)  # type: ignore[arg-type]
        sites = sample_sites(drawn)
        unknown = [name for name in given or {} if name not in sites]
        if unknown:
            raise ValueError(
                f"Expected given sites of the model {list(sites)}, got '{unknown[0]}'."
            )
        if any("units" in site["infer"] for site in sites.values()):
            values = {name: value for name, value in values.items() if name in sites}
            for name, held in known.items():
                values[name] = values[name].where(held, torch.nan)
            return draw_machine(program, n, x, values, means=means, sweeps=sweeps)
        nodes: dict[str, Any] = drawn.nodes
        result = {name: site["value"] for name, site in nodes.items() if _shown(site)}
        if means:
            shown = [name for name in sites if name in result]
            redrawn = [name for name in shown if sites[name]["infer"].get("was_observed")]
            result |= {name: mean_of(sites[name], name) for name in redrawn or shown[-1:]}
    return result


def _known(given: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which elements are held of values that are not held as a whole."""
    unknown = [name for name in mask if name not in given]
    if unknown:
        raise ValueError(
            f"Expected masks of given sites {list(given)}, got one of '{unknown[0]}'. Try given="
            f"{{'{unknown[0]}': values}} with it."
        )
    holes = {name: ~v.isnan() for name, v in given.items() if bool(v.isnan().any())}
    return holes | {name: own.bool() & holes.get(name, own.bool()) for name, own in mask.items()}


def _latents(program: nn.Module, x: Any) -> dict[str, Tensor]:
    guide = guide_of(program)
    if x is None or guide is None:
        missing = "a batch x" if x is None else "a guide"
        raise ValueError(f"Expected {missing} to draw from the posterior. Try posterior=False.")
    drawn = trace(guide, x)
    sites = sample_sites(drawn) | subsample_sites(drawn)
    return {name: site["value"] for name, site in sites.items()}


def _shown(site: dict[str, Any]) -> bool:
    """Whether a node of a trace is a site that a person would ask for."""
    if site["type"] != "sample" or type(site["fn"]).__name__ in ("_Subsample", "Unit"):
        return False
    return isinstance(site["value"], Tensor)
