"""A program held on one batch, run in chunks of draws."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.data.nested import to_device
from dgmppl.draw import Draw
from dgmppl.handlers import Particles, Redraw, Replay
from dgmppl.site_checks import ProgramError
from dgmppl.sites import Kind
from dgmppl.traces import isolated, module_device, sample_sites, trace
from dgmppl.weights import Weights, weights

__all__ = ["MOST_NUMBERS", "Run", "Source", "chunks", "hold", "need_draws", "need_guide"]

#: Most numbers that all sites of a chunk hold together: 16 MiB in single precision.
MOST_NUMBERS = 2**22


@dataclass(frozen=True)
class Run:
    """One run of the model.

    Arguments:
        trace: Its trace.
        number: How many draws lie along its particle dimension (1: there is no such dimension).
    """

    trace: Trace
    number: int

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """Its trace's nodes by name."""
        nodes: dict[str, Any] = self.trace.nodes
        return nodes

    @property
    def sites(self) -> dict[str, dict[str, Any]]:
        """Its sample sites by name."""
        return sample_sites(self.trace)


@dataclass(frozen=True)
class Source:
    """A program on a batch, every chunk on the same rows.

    Arguments:
        binding: The program, looked at on the batch.
        x: The batch, where the program lives.
        nodes: A trace of the model on the batch, by site; its latents are drawn from the prior.
        shared: Draws outside the data plate that all chunks share, by guide site.
    """

    binding: Binding
    x: Any
    nodes: dict[str, dict[str, Any]]
    shared: dict[str, Tensor] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, Tensor]:
        """Plate → its rows: what one that subsamples by chance would otherwise choose anew."""
        sample: dict[str, Any] = {n: s for n, s in self.nodes.items() if s["type"] == "sample"}
        return {n: s["value"] for n, s in sample.items() if site_is_subsample(s)}

    @property
    def deterministic(self) -> list[str]:
        """Names of the model's deterministic sites."""
        return [n for n, s in self.nodes.items() if s.get("infer", {}).get("_deterministic")]

    def weigh(self, number: int, handlers: tuple[Messenger, ...] = ()) -> Weights:
        """The weight tables of so many draws, under more handlers, the first innermost."""
        held = Replay({**self.rows, **self.shared})
        shared = bool(self.shared)
        handlers = (held, *handlers)
        return weights(self.binding, self.x, number, shared_globals=shared, handlers=handlers)

    def replayed(self, draw: Draw, number: int, *, redraw: bool = False) -> Run:
        """The model once more at a draw's latents, its observed sites kept or drawn anew."""
        values = {name: site["value"] for name, site in draw.guide.items()}
        return self.run(number, ((Redraw(),) if redraw else ()) + (Replay(values),))

    def ancestral(self, number: int) -> list[Run]:
        """All sites drawn from the model: one run, or `number` where particles are looped over."""
        if getattr(self.binding.program, "vectorized", True):
            return [self.run(number, (Redraw(),))]
        return [self.run(1, (Redraw(),)) for _ in range(number)]

    def run(self, number: int, handlers: tuple[Messenger, ...]) -> Run:
        """The model once under handlers, the first innermost, on the rows of this batch."""
        handlers = (*handlers, Replay(self.rows))
        if number > 1:
            handlers = (*handlers, Particles(number, self.binding.particle_dim))
        program = self.binding.program
        with isolated(program):
            found = trace(program.model, self.x, handlers=handlers)  # type: ignore[arg-type]
        return Run(found, number)


def hold(program: nn.Module, x: Any) -> Source:
    """Looks at a program on a batch and fixes the rows of its plates.

    Arguments:
        program: The program.
        x: A batch.
    """
    x = to_device(x, module_device(program))
    with torch.enable_grad():  # roles are found by autograd, whatever the caller's mode
        binding = bind(program, x)
    with isolated(program):
        found = trace(program.model, x)  # type: ignore[arg-type]
    nodes: dict[str, Any] = found.nodes
    return Source(binding, x, dict(nodes))


def need_guide(binding: Binding, caller: str) -> None:
    """The program has latents and something to draw them from.

    Raises:
        ProgramError: If not.
    """
    if not binding.latents:
        raise ProgramError(
            f"Expected latent sites, got a program without: {caller} has nothing to infer. "
            "Try generate(program) for draws and evidence(program, x) for log p(x)."
        )
    if not binding.has_guide:
        names = [site.name for site in binding.latents]
        raise ProgramError(
            f"Expected a guide for the latent sites {names}, got none. "
            f"Try {caller}(with_guide(program, guide), x)."
        )


def need_draws(binding: Binding, caller: str) -> None:
    """The program has latents and a guide that draws them at random.

    Raises:
        ProgramError: If not.
    """
    need_guide(binding, caller)
    energy = [site.name for site in binding.latents if site.kind is Kind.ENERGY]
    if energy:
        raise ProgramError(
            f"{caller} weighs draws by their densities, and site '{energy[0]}' belongs to an "
            "energy whose log Z is unknown. Try evidence(…, annealing=Annealing())."
        )
    if not binding.draws:
        names = [site.name for site in binding.latents]
        raise ProgramError(
            f"Expected a guide that draws {names} at random, got one that gives single values "
            "(Delta). Try AutoNormal in place of AutoDelta."
        )


def chunks(binding: Binding, number: int) -> Iterator[int]:
    """Splits draws so that the sites of a chunk hold at most `MOST_NUMBERS` numbers together.

    Arguments:
        binding: The program; the shapes of its sites count.
        number: All draws.

    Returns:
        How many draws each chunk has; at least 1.
    """
    one = sum(math.prod(s.batch_shape + s.event_shape) for s in binding.sites.values())
    most = max(1, MOST_NUMBERS // max(one, 1))
    for start in range(0, number, most):
        yield min(most, number - start)
