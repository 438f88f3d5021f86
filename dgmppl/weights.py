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
from dgmppl.traces import isolated

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

    @property
    def batch(self) -> int:
        """B, the size of the data plate on this batch."""
        tables = [*self.log_p.values(), *self.log_q.values()]
        return max(table.shape[1] for table in tables)

    @cached_property
    def divergences(self) -> dict[str, Tensor]:
        """Site → KL(q‖p) in closed form, where it is known: `[K, B]`, or `[K, 1]` if global."""
        tables: dict[str, list[Tensor]] = {}
        for run in self.runs:
            for name in [n for n in run.model if n in run.guide]:  # not a set: its order varies
                if (kl := run.divergence(name)) is not None:
                    tables.setdefault(name, []).append(run.table(run.model[name], kl))
        return {name: torch.cat(t) if len(t) > 1 else t[0] for name, t in tables.items()}

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
        parts = factor.split(1) if len(self.runs) > 1 else (factor,)
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

    Returns:
        The tables.

    Raises:
        ProgramError: If the program does not fit the batch.
        NoDensityError: If a site has no density.
    """
    binding = program if isinstance(program, Binding) else bind(program, x)
    module = binding.program
    looped = num_particles > 1 and not getattr(module, "vectorized", True)
    inside = binding.data_plate if shared_globals else None
    if num_particles > 1 and not looped:
        handlers = (*handlers, Particles(num_particles, binding.particle_dim, inside))
    with isolated(module), _explained(1 if looped else num_particles):
        runs: list[Draw] = []
        each = 1 if looped else num_particles
        for start in range(0, num_particles, each):
            held = _globals(runs[0]) if runs and shared_globals else {}
            own = (*handlers, by_particle(start, each)) if by_particle else handlers
            runs.append(run_both(binding, x, own, fixed_scores, stopped, held, shared_globals))
        return _tabulate(binding, tuple(runs), size)


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


def _globals(run: Draw) -> dict[str, Tensor]:
    """The values of the global draws of a run."""
    return {n: s["value"] for n, s in run.guide.items() if not run.binding.sites[n].local}


def _tabulate(binding: Binding, runs: tuple[Draw, ...], size: int | None) -> Weights:
    first = runs[0]

    def stack(sites: str) -> dict[str, Tensor]:
        kept = getattr(first, sites).items()
        names = [n for n, s in kept if sites == "model" or not s["is_observed"]]
        tables = {n: [run.log_prob(getattr(run, sites)[n]) for run in runs] for n in names}
        return {n: t[0] if len(t) == 1 else torch.cat(t) for n, t in tables.items()}

    stacks = [site["cond_indep_stack"] for site in first.model.values()]
    frames = [f for stack in stacks for f in stack if f.name == binding.data_plate]
    rows, full = (frames[0].size, frames[0].full_size or 0) if frames else (1, 1)
    powers = {
        name: site["infer"]["power"]
        for sites in (first.model, first.guide)
        for name, site in sites.items()
        if "power" in site["infer"]
    }
    log_p = stack("model")
    batch = max(table.shape[1] for table in log_p.values()) if log_p else 1
    whole = (
        full if full > rows else size or batch
    )  # the program's own N, the caller's, or the batch
    return Weights(binding, runs, log_p, stack("scored"), powers, whole if frames else 1)
