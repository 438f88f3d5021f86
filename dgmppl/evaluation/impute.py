"""What missing entries may have been: draws from p(x_missing | x_observed), and its mean."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.data import as_data, batch_length, batches
from dgmppl.evaluation.evidence import no_estimate, stream_of
from dgmppl.evaluation.reservoir import Reservoir
from dgmppl.handlers import Replay
from dgmppl.randomness import seeded
from dgmppl.site_checks import ProgramError
from dgmppl.traces import evaluating, isolated, module_device, sample_sites, trace
from dgmppl.weights import weights

__all__ = ["Imputation", "impute"]


@dataclass(frozen=True)
class Imputation:
    """Completed data; observed entries are as given.

    Arguments:
        given: Site → the data, NaN where they are missing, `[B, …]`.
        draws: Site → M completed data sets `[M, B, …]`, each a draw from p(x_missing | x_observed).
        mean: Site → data completed by E[x_missing | x_observed], `[B, …]`; without the sites whose
            likelihood has no mean (categories).
        effective_sample_size: (Σ w)² / Σ w² of the draws' weights a datum, `[B]`, from 1 to K: how
            many draws from the true posterior these are worth.
        num_imputations: M.
        num_particles: K.
    """

    given: dict[str, Tensor]
    draws: dict[str, Tensor]
    mean: dict[str, Tensor]
    effective_sample_size: Tensor
    num_imputations: int
    num_particles: int

    @property
    def scarce(self) -> Tensor:
        """Whether a datum's draws are worth fewer than its imputations, `[B]`."""
        return self.effective_sample_size < self.num_imputations

    def __str__(self) -> str:
        ess = self.effective_sample_size
        return (
            f"{self.num_imputations} imputations of {len(ess)} data; {self.num_particles} draws a "
            f"datum are worth {float(ess.median()):.0f} (median), {float(ess.min()):.1f} at least; "
            f"too few for {int(self.scarce.sum())} data"
        )


def impute(
    program: nn.Module,
    x: Any,
    num_imputations: int = 10,
    num_particles: int = 1000,
    *,
    rows: int | None = None,
    seed: int | None = None,
) -> Imputation:
    """Completes data with missing entries, several times and on average.

    Sampling-importance-resampling: K draws of the latents from the guide, given what is observed,
    are weighted by w = p(x_observed, z) / q(z); M of them, drawn in proportion, each give the
    missing entries by p(x_missing | z). Exact as K grows, however crude the guide; the effective
    sample size says how far K has to grow. The mean is Σ_k w_k E[x_missing | z_k] / Σ_k w_k.

    Arguments:
        program: An `Incomplete` program: `Incomplete(program)` of any that was learned.
        x: Data with missing entries: anything that `fit` takes.
        num_imputations: M, completed data sets.
        num_particles: K, weighted draws a datum; memory does not grow with it.
        rows: Most pairs of particle and datum at once; `None` takes 2,048 on a CPU and 131,072 on a
            GPU.
        seed: For the draws (and for data that are binarised anew); `None` goes on with the present
            state.

    Returns:
        Draws, means and effective sample sizes; a warning says where these are low.

    Raises:
        ProgramError: If the program does not read missing entries, has no guide for its latents, or
            has latents shared by all data.

    References:
        MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets, Pierre-Alexandre
        Mattei and Jes Frellsen, 2019. https://arxiv.org/abs/1812.02633

    Example:
        >>> import dgmppl
        >>> from dgmppl.models.vae import VAE
        >>> x = torch.tensor([[1.0, torch.nan, 0.0], [1.0, 1.0, 0.0]])
        >>> found = impute(dgmppl.Incomplete(VAE(data_dim=3, z_dim=2)), x, 5, seed=0)
        >>> found.draws["x"].shape, found.mean["x"][1].tolist()
        (torch.Size([5, 2, 3]), [1.0, 1.0, 0.0])
    """
    if not getattr(program, "reads_missing", False):
        raise ProgramError(
            f"Expected a program that reads missing entries, got {type(program).__name__}. Try "
            "impute(dgmppl.Incomplete(program), x)."
        )
    data = as_data(x)
    device = module_device(program)
    rows = rows or (2**11 if device.type == "cpu" else 2**17)
    size = max(1, min(rows // 8, 256))
    with torch.no_grad(), evaluating(program), nullcontext() if seed is None else seeded(seed):
        binding = bind(program, next(iter(batches(data, size, device=device))).x)
        _check(binding)
        parts = [
            _impute(binding, batch.x, num_imputations, num_particles, rows)
            for batch in stream_of(data, size, device, seed)
        ]
    found = _joined(binding, parts)
    if found.scarce.any():
        warnings.warn(
            f"The weights of {int(found.scarce.sum())} of {len(found.scarce)} data leave fewer "
            f"effective draws than the {num_imputations} imputations asked for, which repeat each "
            f"other (lowest: {float(found.effective_sample_size.min()):.1f} of {num_particles}). "
            "Try more particles, or a guide that was learned on data with entries missing.",
            stacklevel=2,
        )
    return found


def _check(binding: Binding) -> None:
    """Weighted draws of the latents are possible, for each datum by itself."""
    if binding.latents and (reason := no_estimate(binding)):
        raise ProgramError(f"Expected weighted draws of the latents, but {reason}")
    for site in (*binding.latents, *binding.draws):
        if not site.local:
            raise ProgramError(
                f"Site '{site.name}' is shared by all data, whose missing entries then depend on "
                "each other. Try a model with latents inside the data plate."
            )


def _impute(binding: Binding, x: Any, number: int, num_particles: int, rows: int) -> Imputation:
    """One batch."""
    chunk = max(1, rows // batch_length(x))
    reservoir = Reservoir(number)
    for done in range(0, num_particles, chunk):
        reservoir.add(weights(binding, x, min(chunk, num_particles - done)))
    runs = [_replayed(binding, x, reservoir, place) for place in range(number)]
    given = {n: s["infer"]["given"] for n, s in runs[0].items() if "given" in s["infer"]}
    draws = {
        n: torch.stack([_filled(x_n, run[n]["fn"].sample()) for run in runs])
        for n, x_n in given.items()
    }
    mean = {n: _filled(given[n], value) for n, value in reservoir.means.items()}
    return Imputation(given, draws, mean, reservoir.effective_sample_size, number, num_particles)


def _replayed(binding: Binding, x: Any, reservoir: Reservoir, place: int) -> dict[str, Any]:
    """The model's sites, given the latents in one place of the reservoir."""
    values = {}
    for site in binding.latents:
        drawn = reservoir.draws[site.name][place]
        dims = len(site.batch_shape) + len(site.event_shape)
        values[site.name] = drawn.reshape(drawn.shape[drawn.dim() - dims :])
    model: Any = binding.program.model
    with isolated(binding.program):
        return sample_sites(trace(model, x, handlers=(Replay(values),)))


def _filled(given: Tensor, value: Tensor) -> Tensor:
    """Data, with a value where they are NaN."""
    return torch.where(given.isnan(), value.reshape(given.shape).to(given.dtype), given)


def _joined(binding: Binding, parts: list[Imputation]) -> Imputation:
    """All batches as one, on the CPU."""
    dims = {s.name: binding.data_dim - len(s.event_shape) for s in binding.observed}

    def joined(tables: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {n: torch.cat([table[n] for table in tables], dims[n]).cpu() for n in tables[0]}

    return replace(
        parts[0],
        given=joined([part.given for part in parts]),
        draws=joined([part.draws for part in parts]),
        mean=joined([part.mean for part in parts]),
        effective_sample_size=torch.cat([part.effective_sample_size for part in parts]).cpu(),
    )
