"""Whether a guide's draws can be trusted, and which of its units carry anything."""

from __future__ import annotations

import dataclasses
import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.posterior.arviz_versions import pareto_k
from dgmppl.posterior.diagnosis import Diagnosis
from dgmppl.posterior.source import Source, chunks, hold, need_draws
from dgmppl.posterior.unit_tally import UnitTally
from dgmppl.randomness import seeded
from dgmppl.site_checks import ProgramError
from dgmppl.traces import evaluating
from dgmppl.weights import Weights

__all__ = ["diagnose"]


def diagnose(
    program: nn.Module, x: Any, num_samples: int = 1000, *, seed: int | None = None
) -> Diagnosis:
    """Importance weights w = p(x, z) / q(z|x) of a guide's draws, a datum at a time.

    k-hat and the effective sample size say how far q(z|x) is from p(z|x) where it matters; the KL
    of each unit says how much it tells of x; the gap between the bounds for K = 1 and K = S, with
    S = `num_samples`, says what the guide costs in nats.

    Latents outside the data plate, beside others inside it, are drawn once: all then holds given
    that draw, and their KL is there only where it is known in closed form. If there are no others,
    the weights are of all data together.

    Arguments:
        program: The program, with a guide.
        x: A batch: a tensor, or a mapping or tuple of tensors.
        num_samples: S, draws a datum. They are made in chunks, as in `posterior`; S · B log-weights
            stay in memory.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        Numbers, and a verdict in words when printed.

    Raises:
        ProgramError: If the program has no latents or no guide, its guide gives single values, or
            all latents are shared by data of which the batch holds only a part.
        NoDensityError: If a site has no density.
        ValueError: If `num_samples` is below 1.

    References:
        Pareto Smoothed Importance Sampling, Aki Vehtari et al., 2015. https://arxiv.org/abs/1507.02646
        Yes, but Did It Work?: Evaluating Variational Inference, Yuling Yao et al., 2018.
        https://arxiv.org/abs/1802.02538
        Importance Weighted Autoencoders, Yuri Burda et al., 2015. https://arxiv.org/abs/1509.00519

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> found = diagnose(VAE(data_dim=4, z_dim=2), torch.ones(3, 4), num_samples=100, seed=0)
        >>> found.k_hat.shape, found.kl["z"].shape
        (torch.Size([3]), torch.Size([3, 2]))
    """
    if num_samples < 1:
        raise ValueError(f"Expected num_samples of at least 1, got {num_samples}.")
    randomness = nullcontext() if seed is None else seeded(seed)
    with torch.no_grad(), evaluating(program), randomness:
        source = hold(program, x)
        need_draws(source.binding, "diagnose")
        joint = _check(source)
        source = source if joint else _hold_shared(source)
        tally, parts = UnitTally(held=source.shared), []
        for number in chunks(source.binding, num_samples):
            tables = source.weigh(number)
            tally.add(tables, number)
            parts.append(_log_weights(tables, joint, number))
    return _summarise(torch.cat(parts), tally, joint, tables.batch)


def _check(source: Source) -> bool:
    """Whether weights are of all data together, which must then all be there."""
    binding = source.binding
    joint = not any(site.local for site in binding.draws)
    tables = source.weigh(1)
    if joint and tables.batch < tables.size:
        raise ProgramError(
            f"Expected all {tables.size} data, for every latent is shared by them, got "
            f"{tables.batch}. Try the plate without subsampling."
        )
    return joint


def _hold_shared(source: Source) -> Source:
    """Draws the latents outside the data plate once, for every chunk."""
    drawn = source.weigh(1).runs[0].guide
    local = source.binding.sites
    shared = {name: site["value"] for name, site in drawn.items() if not local[name].local}
    return dataclasses.replace(source, shared=shared)


def _log_weights(tables: Weights, joint: bool, number: int) -> Tensor:
    """`[K, B]` a datum, or `[K, 1]` for all data together, in double precision."""
    local, shared = (torch.as_tensor(part).double() for part in tables.ratio())
    if joint:
        local = (local.sum(1, keepdim=True) if local.dim() else local) + shared
    return local.expand(number, -1)


def _summarise(log_w: Tensor, tally: UnitTally, joint: bool, num_data: int) -> Diagnosis:
    """Reduces the weights `[S, B]`."""
    number = len(log_w)
    total = torch.logsumexp(log_w, 0)
    return Diagnosis(
        k_hat=torch.from_numpy(pareto_k(log_w.T.cpu().numpy())),
        ess=(2 * total - torch.logsumexp(2 * log_w, 0)).exp().cpu(),
        kl={name: kl.cpu() for name, kl in tally.mean_divergences().items()},
        activity={name: values.cpu() for name, values in tally.activity().items()},
        elbo=log_w.mean(0).cpu(),
        bound=(total - math.log(number)).cpu(),
        num_samples=number,
        num_data=num_data,
        joint=joint,
    )
