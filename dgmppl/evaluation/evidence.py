"""How probable a program finds data: log p(x) a datum, exact or estimated, and said which."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.data import Batch, as_data, batches, count_batches
from dgmppl.energy import LogPartition
from dgmppl.enumeration import check_enumerable, enumerate_latents
from dgmppl.evaluation.annealing import Annealing, ReverseAnnealing, annealed
from dgmppl.evaluation.energies import energy_evidence
from dgmppl.evaluation.observed_with_noise import ObservedWithNoise
from dgmppl.evaluation.reverse import reverse_evidence
from dgmppl.lowering import Compile, Graphs, backends_for
from dgmppl.mean_weight import log_mean_weight
from dgmppl.objectives.objective import ObjectiveError, refuse_undensified
from dgmppl.randomness import apart, seeded
from dgmppl.site_checks import ProgramError
from dgmppl.sites import Kind, NoDensityError
from dgmppl.traces import evaluating, module_device
from dgmppl.weights import weights

__all__ = ["Evidence", "evidence"]

#: Effective chains below which an annealed log Z is not believed.
FEWEST = 5.0


@dataclass(frozen=True)
class Evidence:
    """log p(x), or a bound on it.

    Arguments:
        value: Nats a datum `[B]`; with latents shared by all data the evidence of the whole batch
            `[1]`; `None` if unavailable.
        standard_error: Of each value `[B]`, 0 where it is exact. Small errors can mislead where the
            guide is
            far off: look at k-hat (`diagnose`).
        kind: "exact", "lower bound" (the estimate is below log p(x) in expectation), "lower bound
            by annealing" (likewise) or "unavailable"; of energies also "estimate, log Z by
            annealing" (log Z is low on average, and log p(x) high) and "lower bound, log Z by
            annealing"; and the observation noise, where there is one.
        num_particles: Draws a datum.
        reason: Why it is unavailable, or "".
        log_partition: log Z of a program that is written as an energy, of the last datum's length
            where documents differ in theirs. Its error is common to all data.
    """

    value: Tensor | None
    standard_error: Tensor | None
    kind: str
    num_particles: int = 0
    reason: str = ""
    log_partition: LogPartition | None = None

    @property
    def mean(self) -> float:
        """Nats a datum, averaged over the data."""
        return float(self.known.double().mean())

    @property
    def mean_error(self) -> float:
        """Standard error of `mean` for the population that the data come from, in nats."""
        value = self.known.double()
        if len(value) < 2:
            assert self.standard_error is not None
            return float(self.standard_error.double().mean())
        shared = self.log_partition.standard_error if self.log_partition else 0.0
        return math.hypot(float(value.std() / math.sqrt(len(value))), shared)

    @property
    def known(self) -> Tensor:
        """The values; raises NoDensityError with the reason where they are unavailable."""
        if self.value is None:
            raise NoDensityError(self.reason)
        return self.value

    @property
    def caution(self) -> str:
        """Why an annealed log Z is not to be believed, or ""."""
        size = self.log_partition.effective_sample_size if self.log_partition else math.inf
        if size >= FEWEST:
            return ""
        return (
            f"not to be believed: {size:.1f} chains decide log Z, which may be far too low. Try "
            "more steps of annealing"
        )

    def __str__(self) -> str:
        if self.value is None:
            return f"evidence unavailable: {self.reason}"
        plural = "s" if self.num_particles > 1 else ""
        draws = f", {self.num_particles} draw{plural} a datum" if self.num_particles else ""
        value = f"{self.mean:.2f} ± {self.mean_error:.2f} nats"
        text = f"log p(x) = {value} ({self.kind}, {len(self.value)} data{draws})"
        return f"{text}; {self.caution}" if self.caution else text


def evidence(
    program: nn.Module,
    x: Any,
    num_particles: int = 1000,
    *,
    rows: int | None = None,
    seed: int | None = None,
    compile: Compile = "auto",
    annealing: Annealing | None = None,
    observation_noise: float | None = None,
) -> Evidence:
    """log p(x) of each datum: exact where that can be, else by importance sampling.

    Memory does not grow with `num_particles`: at most `rows` pairs of particle and datum are in
    memory at once. A 784-200-200-50 VAE takes about 75 MiB beyond the data on a CPU, for any K.

    Arguments:
        program: The program.
        x: Data: anything that `fit` takes.
        num_particles: Draws a datum, K.
        rows: Most pairs of particle and datum at once; `None` takes 2,048 on a CPU, where small
            chunks stay in its caches, and 131,072 on a GPU.
        seed: For the draws (and for data that are binarised anew); `None` goes on with the present
            state.
        compile: Whether chunks run as recorded graphs, as for `fit`; "auto" decides by their
            number.
        annealing: Chains from the prior in the guide's place, which need no guide: for latents that
            are numbers. Each datum then has their number of draws. For programs that are written as
            an energy, chains from independent units to the machine, for log Z; with
            `ReverseAnnealing` chains back from each datum.
        observation_noise: Gaussian noise that implicit observed sites are given, so that they have
            a density. What comes out is a property of the noise, too, and names it.

    Returns:
        Values, standard errors and what they are.

    References:
        Importance Weighted Autoencoders, Yuri Burda et al., 2015. https://arxiv.org/abs/1509.00519

    Example:
        >>> import torch, pyro, dgmppl
        >>> from pyro.distributions import Normal
        >>> def model(x):
        ...     with pyro.plate("data", len(x)):
        ...         pyro.sample("x", Normal(0.0, 1.0), obs=x)
        >>> print(evidence(dgmppl.Pair(model), torch.zeros(4)))
        log p(x) = -0.92 ± 0.00 nats (exact, 4 data)
    """
    if observation_noise is not None:
        found = evidence(
            ObservedWithNoise(program, observation_noise),
            x,
            num_particles,
            rows=rows,
            seed=seed,
            compile=compile,
            annealing=annealing,
        )
        return replace(found, kind=f"{found.kind}, with observation noise {observation_noise:g}")
    data = as_data(x)
    device = module_device(program)
    rows = rows or (2**11 if device.type == "cpu" else 2**17)
    with torch.no_grad(), evaluating(program), nullcontext() if seed is None else seeded(seed):
        first = next(iter(batches(data, min(rows, 128), device=device))).x
        binding = bind(program, first)
        if any(site.kind is Kind.ENERGY for site in binding.sites.values()):
            stream = stream_of(data, rows // 16, device, seed)
            return _of_energy(binding, stream, annealing, num_particles, compile)
        try:
            # chains from the prior need no guide
            guided = [s.name for s in binding.latents if s.implicit_guide and annealing]
            refuse_undensified(binding, "evidence", guided)
        except ObjectiveError as error:
            return Evidence(None, None, "unavailable", reason=f"{error}{_cure(binding)}")
        if annealing is not None:
            stream = stream_of(data, max(1, rows // annealing.chains), device, seed)
            pairs = [annealed(program, b.x, annealing) for b in stream]
            value, spread = (torch.cat(part).cpu() for part in zip(*pairs, strict=True))
            return Evidence(value, spread, "lower bound by annealing", annealing.chains)
        if _exact(binding):
            stream = stream_of(data, rows // 16, device, seed)
            parts = [enumerate_latents(binding, b.x).log_evidence for b in stream]
            value = torch.cat(parts).cpu()
            return Evidence(value, torch.zeros_like(value), "exact")
        if reason := no_estimate(binding):
            return Evidence(None, None, "unavailable", reason=reason)
        if not binding.draws:
            num_particles = 1  # all draws are the same
        joint = any(not site.local for site in binding.draws)
        size = None if joint else max(1, min(rows // 8, 256))
        chunk = num_particles if num_particles < 2 else _chunk(binding, size, rows)
        calls = count_batches(data, size) * -(-num_particles // chunk)
        backends = backends_for(compile, calls)
        weigh = Graphs(
            partial(_log_weights, binding, joint), [program], backends, strict=compile != "auto"
        )
        stream = stream_of(data, size, device, seed)
        pairs = [log_mean_weight(_parts(weigh, b.x, num_particles, chunk)) for b in stream]
    value, spread = (torch.cat(part).cpu() for part in zip(*pairs, strict=True))
    return Evidence(value, spread, "lower bound", num_particles)


def _of_energy(
    binding: Binding,
    stream: Iterator[Batch],
    annealing: Annealing | None,
    particles: int,
    compile: Compile,
) -> Evidence:
    """The log-factor, summed over hidden layers, less log Z."""
    inputs = (b.x for b in stream)
    try:
        if isinstance(annealing, ReverseAnnealing):
            value, spread, kind = reverse_evidence(binding, inputs, annealing, compile)
            return Evidence(value.cpu(), spread.cpu(), kind, annealing.chains)
        value, spread, log_z, kind = energy_evidence(binding, inputs, annealing, particles, compile)
    except ProgramError as error:
        return Evidence(None, None, "unavailable", reason=str(error))
    draws = particles if binding.draws else 0
    return Evidence(value.cpu(), spread.cpu(), kind, draws, log_partition=log_z)


def stream_of(
    data: Any, size: int | None, device: torch.device, seed: int | None
) -> Iterator[Batch]:
    """The data; with a seed they are binarised alike for every program."""
    stream = batches(data, size, device=device)
    return stream if seed is None else apart(stream, seed + 1)


def _cure(binding: Binding) -> str:
    """What evidence there is without a density."""
    if any(site.kind is Kind.IMPLICIT for site in binding.observed):
        noise = "observation_noise=0.1"
    elif any(site.implicit_guide for site in binding.latents):
        noise = ""
    else:
        return ""
    arguments = ", ".join(filter(None, ["annealing=Annealing()", noise]))
    return f" Or evidence(program, x, {arguments})."


def _exact(binding: Binding) -> bool:
    """Whether log p(x) is a sum that can be written out."""
    try:
        check_enumerable(binding)
    except ProgramError:
        return False
    return True


def no_estimate(binding: Binding) -> str:
    """Why importance sampling is impossible, or ""."""
    if not binding.has_guide:
        names = [site.name for site in binding.latents]
        return f"latent sites {names} need a guide to draw from. Try with_guide(program, guide)."
    # a single value of a discrete site is a guide of probability 1; of a density there is none
    points = [s.name for s in binding.latents if s.point and not s.discrete]
    auxiliary = any(s.auxiliary for s in binding.draws)
    if points and not auxiliary:
        return f"the guide gives site '{points[0]}' a single value (a Delta), nothing to draw from."
    return ""


def _parts(
    weigh: Callable[[Any, int], Tensor], x: Any, number: int, chunk: int
) -> Iterator[Tensor]:
    """Log-weights of some particles at a time."""
    for start in range(0, number, chunk):
        yield weigh(x, min(chunk, number - start))


def _log_weights(binding: Binding, joint: bool, x: Any, number: int) -> Tensor:
    """log p(x, z) − log q(z|x) of some particles, `[K, B]`; of all data together `[K, 1]`."""
    local, shared = weights(binding, x, number).ratio()
    whole = local.sum(1, keepdim=True) if joint and isinstance(local, Tensor) else local
    return torch.as_tensor(whole + shared)


def _chunk(binding: Binding, size: int | None, rows: int) -> int:
    """Particles at once."""
    batch = max((s.batch_shape[binding.data_dim] for s in binding.observed if s.local), default=1)
    return max(1, rows // max(size or batch, 1))
