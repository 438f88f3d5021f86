"""Draw from a program."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.evaluation.draw_machine import draw_machine
from dgmppl.handlers import Redraw, Replay
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
        given: Site → value `[n, …]` that is held, such as a latent code.
        posterior: Whether latents are drawn from the guide at `x`: reconstructions.
        means: Whether to return the mean of the observed sites' distributions in place of their
            draws (without `x`: of the program's last site). Pictures are clearer so.
        sweeps: Of block Gibbs, for programs that are written as an energy: their draws are states
            of chains that are cooled in the first half of them, and mix no better than these do.
            Given layers may have NaN where they are to be drawn, such as in half of a picture.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        Site → value, one row a datum, without gradients.

    Raises:
        ValueError: If `posterior` is asked for without `x` or without a guide, or a given site is
            unknown.

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
        handlers = (Replay(values),) if x is None else (Redraw(), Replay(values))
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
            return draw_machine(program, n, x, values, means=means, sweeps=sweeps)
        nodes: dict[str, Any] = drawn.nodes
        result = {name: site["value"] for name, site in nodes.items() if _shown(site)}
        if means:
            shown = [name for name in sites if name in result]
            redrawn = [name for name in shown if sites[name]["infer"].get("was_observed")]
            result |= {name: mean_of(sites[name], name) for name in redrawn or shown[-1:]}
    return result


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
