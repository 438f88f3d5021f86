"""Markov chains on a program's latents, started from its guide: the posterior itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from dgmppl.posterior.arviz_versions import Container
from dgmppl.posterior.columns import Columns
from dgmppl.posterior.draws import draw_chains
from dgmppl.posterior.kernel import Chains, Kernel, NoUTurn
from dgmppl.posterior.labels import Labels
from dgmppl.posterior.log_joint import log_joint
from dgmppl.posterior.posterior import contained
from dgmppl.posterior.source import Source, hold
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating, isolated

__all__ = ["refine"]

NUTS = NoUTurn()


def refine(
    program: nn.Module,
    x: Any,
    num_samples: int = 500,
    *,
    num_warmup: int | None = None,
    num_chains: int = 4,
    kernel: Kernel = NUTS,
    predictive: bool = True,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Container:
    """Draws from the posterior p(z|x) by Markov chains that start at draws of the guide.

    The parameters stay as they are. In the limit the draws do not depend on the guide, so that they
    show what it gets wrong (`agreement`); without a guide the chains start in the prior.

    | group | holds | shape |
    |---|---|---|
    | posterior | latents and deterministic sites | `[C, S, B, …]` |
    | posterior_predictive | observed sites drawn anew at those latents | `[C, S, B, …]` |
    | log_likelihood | log p of each observed site at those latents, nats | `[C, S, B]` |
    | sample_stats | `lp` (log p(z, x), nats), `acceptance_rate`, `diverging`, … | `[C, S]` |
    | observed_data | the batch, site by site | `[B, …]` |

    `lp` is `[C, S, B]` where no latents are shared by the data, and so are the other statistics
    where each datum moves for itself (`PerDatum`, `Langevin`). R-hat and effective sample sizes are
    ArviZ's: `az.summary(refine(program, x))`.

    Which kernel? `NoUTurn` and `Hamiltonian` are Pyro's: one chain after the other, all latents of
    the batch in one trajectory. They suit latents that the data share, and small batches. For one
    latent vector a datum `PerDatum` moves all chains and data side by side, at a fraction of the
    cost.

    Arguments:
        program: The program, with a guide or without.
        x: A batch: a tensor, or a mapping or tuple of tensors.
        num_samples: S, draws kept of each chain.
        num_warmup: Moves before them, by which the kernel adapts; `None` takes S.
        num_chains: C.
        kernel: How the chains move.
        predictive: Whether to draw observed sites too.
        dims: Site → names of its event dimensions, as in `posterior`.
        coords: Dimension → labels.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        `arviz.InferenceData` on ArviZ 0.23, `xarray.DataTree` on 1.x.

    Raises:
        ProgramError: If there are no latents, one is discrete or has a support that no bijection
            leads to, no draw of the guide has a finite density, or the data share latents and the
            batch holds only a part of them.
        NoDensityError: If a site has no density.
        ValueError: If `dims` or `coords` do not fit, or a number of draws is out of range.

    References:
        The No-U-Turn Sampler, Matthew Hoffman and Andrew Gelman, 2014.
        https://jmlr.org/papers/v15/hoffman14a.html
        Rank-normalization, folding, and localization: an improved R̂ for assessing convergence of
        MCMC, Aki Vehtari et al., 2021. https://arxiv.org/abs/1903.08008

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> from dgmppl.posterior import PerDatum
        >>> vae, x = VAE(data_dim=4, z_dim=2), torch.ones(3, 4)
        >>> draws = refine(vae, x, 20, num_chains=2, kernel=PerDatum(4), dims={"z": ["unit"]})
        >>> dict(draws.posterior["z"].sizes)
        {'chain': 2, 'draw': 20, 'data': 3, 'unit': 2}
    """
    num_warmup = num_samples if num_warmup is None else num_warmup
    if min(num_samples, num_chains) < 1 or num_warmup < 0:
        raise ValueError(
            "Expected num_samples and num_chains of at least 1 and num_warmup of at least 0, got "
            f"{num_samples}, {num_chains} and {num_warmup}."
        )
    randomness = nullcontext() if seed is None else seeded(seed)
    with torch.no_grad(), evaluating(program), randomness, isolated(program):
        source = hold(program, x)
        labels = Labels.of(source, dims, coords)
        density = log_joint(source)
        starts = [density.start() for _ in range(num_chains)]
        start = {name: torch.stack([s[name] for s in starts]) for name in starts[0]}
        with torch.enable_grad():
            chains = kernel.run(density, start, num_samples, num_warmup)
        columns = draw_chains(
            density, {n: v.flatten(0, 1) for n, v in chains.free.items()}, predictive=predictive
        )
        _put_stats(columns["sample_stats"], chains, source)
    return contained(source, labels, columns, num_chains)


def _put_stats(columns: Columns, chains: Chains, source: Source) -> None:
    """Writes what is known of each move."""
    for name, stat in chains.stats.items():
        plates = () if stat.dim() == 2 else (str(source.binding.data_plate),)
        columns.put(name, 0, stat.flatten(0, 1).cpu().numpy(), plates)
