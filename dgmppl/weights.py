"""One weight kernel: per-site log p and log q of a program as `[K, B]` tables.

K particles are the outermost dimension, B is the data plate. Bounds, their gradients, k-hat,
effective sample sizes and evidence estimates are all reductions of these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.draw import Draw
from dgmppl.handlers import Particles
from dgmppl.running import run_both
from dgmppl.site_checks import ProgramError
from dgmppl.tables import Tables, divergences, recomputed, tabulate
from dgmppl.traces import isolated_again

__all__ = ["Weights", "weights"]


@dataclass(frozen=True)
class Weights:
    """The two tables of a program on a batch.

    Arguments:
        binding: The program and its plates.
        runs: The runs they were computed from: one, or K where particles are looped over.
        log_p: The model's sites → log-densities in nats, `[K, B]`, or `[K, 1]` for global sites.
        log_q: The guide's sites → log-densities in nats, likewise.
        powers: Site → the power a `Temper` handler gave it.
        size: N, how many data the whole set has.
        known: The divergences, where they were computed beside the tables.

    Example:
        >>> from dgmppl import weights
        >>> from dgmppl.models.vae import VAE
        >>> tables = weights(VAE(data_dim=4, z_dim=2), torch.ones(3, 4), num_particles=5)
        >>> tables.log_p["x"].shape, tables.log_q["z"].shape
        (torch.Size([5, 3]), torch.Size([5, 3]))
    """

    binding: Binding
    runs: tuple[Draw, ...]
    log_p: dict[str, Tensor]
    log_q: dict[str, Tensor]
    powers: dict[str, Any]
    size: int
    known: dict[str, Tensor] | None = None

    @property
    def batch(self) -> int:
        """B, the size of the data plate on this batch."""
        tables = [*self.log_p.values(), *self.log_q.values(), *(self.known or {}).values()]
        return max(table.shape[1] for table in tables)

    @cached_property
    def divergences(self) -> dict[str, Tensor]:
        """Site → KL(q‖p) in closed form, where it is known: `[K, B]`, or `[K, 1]` if global."""
        if self.known is not None:
            return self.known
        return _stack([divergences(run) for run in self.runs])

    def is_local(self, name: str) -> bool:
        """Whether a site has one value a datum."""
        return self.binding.sites[name].local

    def ratio(self, *, tempered: bool = False, sites: Iterable[str] | None = None) -> Tensors:
        """log p − log q summed over sites: the local ones `[K, B]` and the global ones `[K, 1]`.

        Arguments:
            tempered: Whether each site counts with its power.
            sites: Which sites to sum; all by default.
        """
        names = dict.fromkeys((*self.log_p, *self.log_q)) if sites is None else sites
        local: list[Tensor] = []
        shared: list[Tensor] = []
        for name in names:
            power = self.powers.get(name, 1.0) if tempered else 1.0
            for table, sign in ((self.log_p.get(name), 1.0), (self.log_q.get(name), -1.0)):
                if table is not None:
                    factor = sign * power
                    term = table if isinstance(factor, float) and factor == 1.0 else factor * table
                    (local if self.is_local(name) else shared).append(term)
        return _add(local), _add(shared)

    def score(self, names: Collection[str]) -> Tensors:
        """Σ log q over some guide sites: the local ones `[K, B]` and the global ones `[K, 1]`."""
        local = [self.log_q[n] for n in names if self.is_local(n)]
        return _add(local), _add([self.log_q[n] for n in names if not self.is_local(n)])

    def scale_gradient(self, factor: Tensor) -> None:
        """Multiplies the gradient from the model to each local draw by `factor`, `[K, B]`."""
        each = -(-len(factor) // len(self.runs))
        parts = factor.split(each)
        for run, part in zip(self.runs, parts, strict=True):
            for name, value in run.crossed.items():
                if self.is_local(name) and value.requires_grad:
                    value.register_hook(partial(torch.mul, run.like(name, part)))


Tensors = tuple[Tensor | float, Tensor | float]


def _add(tables: list[Tensor]) -> Tensor | float:
    total: Tensor | float = 0.0
    for table in tables:
        total = table if isinstance(total, float) else total + table
    return total


def weights(
    program: nn.Module | Binding,
    x: Any,
    num_particles: int = 1,
    *,
    size: int | None = None,
    shared_globals: bool = False,
    fixed_scores: bool = False,
    stopped: Collection[str] = (),
    handlers: tuple[Messenger, ...] = (),
    by_particle: Callable[[int, int], Messenger] | None = None,
    chunk_size: int | None = None,
    closed: bool = False,
) -> Weights:
    """Runs the guide, replays the model, and returns per-site log p and log q.

    Arguments:
        program: A program, or its binding (which saves looking at it again).
        x: A batch.
        num_particles: K, how many draws of the latent variables.
        size: N, the number of data of the whole set; the batch's own by default.
        shared_globals: Whether latents outside the data plate are drawn once for all particles.
        fixed_scores: Whether log q is computed with the guide's parameters detached, the draws not.
        stopped: Guide sites whose draws pass no gradient.
        handlers: More handlers around both programs, the first innermost.
        by_particle: First particle of a run and their number → a handler for them, outside all.
        chunk_size: Most particles in memory at once. Those of a chunk are run again in the backward
            pass, and of the runs only the tables are kept.
        closed: Whether sites whose KL(q‖p) is known in closed form have it alone, as one of the
            `divergences`, and no log-densities.

    Returns:
        The tables.

    Raises:
        ProgramError: If the program does not fit the batch.
        NoDensityError: If a site has no density.
    """
    binding = program if isinstance(program, Binding) else bind(program, x)
    looped = not getattr(binding.program, "vectorized", True)
    each = 1 if looped else min(chunk_size or num_particles, num_particles)
    inside = binding.data_plate if shared_globals else None

    def run(start: int, held: dict[str, Tensor]) -> Draw:
        number, own = min(each, num_particles - start), handlers
        if number > 1:
            own = (*own, Particles(number, binding.particle_dim, inside))
        if by_particle is not None:
            own = (*own, by_particle(start, number))
        with _explained(number):
            return run_both(binding, x, own, fixed_scores, stopped, held, shared_globals)

    chunked = chunk_size is not None and num_particles > chunk_size
    found: list[Tables] = []
    with isolated_again(binding.program):  # `bind` was there before
        for start in range(0, num_particles, each):
            held = found[0].shared if found and shared_globals else {}
            one = partial(run, start, held)
            found.append(
                recomputed(one, closed=closed) if chunked else tabulate(one(), closed=closed)
            )
    return _joined(binding, found, size)


@contextmanager
def _explained(num_particles: int) -> Iterator[None]:
    """Says what to do where a program that ran for one particle fails for several."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        own = (ProgramError, NotImplementedError, torch.OutOfMemoryError)
        if num_particles == 1 or isinstance(error, own):
            raise
        cause = str(error).split("\nTrace Shapes:")[0]
        raise ProgramError(
            f"The program runs with one particle but not with {num_particles}, which are one more "
            f"dimension to the left of the data: {cause}. Try dgmppl.networks.flatten_batch(net) "
            "around networks that know one batch dimension (convolutions), indices from the right "
            "(x[..., 0]), or vectorized = False on the program, which loops over particles."
        ) from error


def _joined(binding: Binding, found: list[Tables], size: int | None) -> Weights:
    first = found[0]
    log_p, log_q = _stack([t.log_p for t in found]), _stack([t.log_q for t in found])
    known = None if first.known is None else _stack([t.known or {} for t in found])
    batch = max((t.shape[1] for t in (*log_p.values(), *(known or {}).values())), default=1)
    # the program's own N, the caller's, or the batch
    whole = first.full if first.full > first.rows else size or batch
    return Weights(
        binding,
        tuple(t.run for t in found),
        log_p,
        log_q,
        first.powers,
        whole if first.rows else 1,
        known,
    )


def _stack(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The runs' tables one under the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
