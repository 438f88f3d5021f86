"""Simulation-based calibration: true latents against a guide's draws, on data from the model."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.objectives.dreams import dream
from dgmppl.posterior.axes import by_unit
from dgmppl.posterior.calibration import Calibration
from dgmppl.posterior.source import Source, chunks, hold, need_guide
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating

__all__ = ["simulation_based_calibration"]

FEWEST = 20


def simulation_based_calibration(
    program: nn.Module,
    x: Any,
    num_simulations: int = 1000,
    num_samples: int = 99,
    *,
    seed: int | None = None,
) -> Calibration:
    """Draws (z, x) from the model and ranks each z among draws of the guide given that x.

    If q(z|x) = p(z|x) for all x that the model may draw, ranks are uniform on 0, …, L; a ∪ tells
    of a guide that is too sure, a ∩ of one that is too unsure, a slope of a bias. So it needs no
    knowledge of the posterior, but it speaks of the model's own data, not of those that were
    observed, and sees one unit at a time. The guide's draws are independent, so that nothing need
    be thinned. Ties, as discrete latents have them, are ranked at random.

    The guide must be a function of the data that it is given. One that was fitted to a single data
    set, such as an `AutoNormal`, draws the same whatever the simulation and is not calibrated.

    Arguments:
        program: The program, with a guide.
        x: A batch, for its form and for what the model conditions on: what it observes is replaced
            by draws, as many at once as the batch has data.
        num_simulations: N; with latents shared by the data each simulation is a batch of its own,
            of which the first datum counts.
        num_samples: L, draws of the guide for each.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        Ranks, and a verdict in words when printed.

    Raises:
        ProgramError: If the program has no latents or no guide.
        ObjectiveError: If an observed value is not itself a tensor of the batch.
        ValueError: If `num_simulations` is below 20 or `num_samples` below 2.

    References:
        Validating Bayesian Inference Algorithms with Simulation-Based Calibration, Sean Talts et
        al., 2018. https://arxiv.org/abs/1804.06788
        Graphical Test for Discrete Uniformity and its Applications in Goodness of Fit Evaluation
        and Multiple Sample Comparison, Teemu Säilynoja et al., 2022.
        https://arxiv.org/abs/2103.10522

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> found = simulation_based_calibration(VAE(data_dim=4, z_dim=2), torch.ones(50, 4), 100)
        >>> found.ranks["z"].shape
        torch.Size([100, 2])
    """
    if num_simulations < FEWEST or num_samples < 2:
        raise ValueError(
            f"Expected num_simulations of at least {FEWEST} and num_samples of at least 2, got "
            f"{num_simulations} and {num_samples}."
        )
    randomness = nullcontext() if seed is None else seeded(seed)
    parts: list[dict[str, Tensor]] = []
    with torch.no_grad(), evaluating(program), randomness:
        source = hold(program, x)
        need_guide(source.binding, "simulation_based_calibration")
        while sum(len(next(iter(part.values()))) for part in parts) < num_simulations:
            parts.append(_ranks(source, num_samples))
    ranks = {n: torch.cat([part[n] for part in parts])[:num_simulations].cpu() for n in parts[0]}
    return Calibration(ranks, num_samples)


def _ranks(source: Source, num_samples: int) -> dict[str, Tensor]:
    """One batch of simulations: site → ranks `[B, units]`, −1 where hidden."""
    binding, dreamt = source.binding, dream(source.binding, source.x)
    source = dataclasses.replace(source, x=dreamt.x)
    below: dict[str, Tensor] = {}
    ties: dict[str, Tensor] = {}
    for number in chunks(binding, num_samples):
        tables = source.weigh(number)
        each = number if len(tables.runs) == 1 else 1
        for draw in tables.runs:
            for name, truth in dreamt.latents.items():
                node = draw.model[name]
                true = by_unit(binding, node, truth, node["fn"].event_dim, 1)
                drawn = by_unit(binding, node, node["value"], node["fn"].event_dim, each)
                below[name] = below.get(name, 0) + (drawn < true).sum(0)
                ties[name] = ties.get(name, 0) + (drawn == true).sum(0)
    shared = not all(site.local for site in binding.latents)
    rows = slice(1 if shared else None)  # data that share a latent are not independent
    return {
        name: _hidden(binding, draw.model[name], _at_random(less, ties[name]))[rows]
        for name, less in below.items()
    }


def _at_random(below: Tensor, ties: Tensor) -> Tensor:
    """Ranks, uniform over those that ties allow."""
    return below + (torch.rand(ties.shape, device=ties.device) * (ties + 1)).long()


def _hidden(binding: Binding, node: dict[str, Any], ranks: Tensor) -> Tensor:
    """−1 in place of the ranks of what a site's mask hides."""
    if not isinstance(node["mask"], Tensor):
        return ranks
    shown = by_unit(binding, node, node["mask"], 0, 1)[0]
    shown = shown.repeat_interleave(ranks.shape[1] // shown.shape[1], 1)
    return ranks.where(shown, -1)
