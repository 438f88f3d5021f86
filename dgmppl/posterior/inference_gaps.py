"""How much of a guide's gap is its network's, and how much its family's."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.distributions.parameters import all_free, free_parameters
from dgmppl.handlers import Shift
from dgmppl.posterior.arviz_versions import pareto_k
from dgmppl.posterior.diagnosis import TRUSTED
from dgmppl.posterior.gaps import Gaps
from dgmppl.posterior.source import Source, chunks, hold, need_draws
from dgmppl.randomness import seeded
from dgmppl.site_checks import ProgramError
from dgmppl.sites import base_distribution
from dgmppl.traces import evaluating

__all__ = ["inference_gaps"]

DRAWS = 8  # a step of the search

Amounts = dict[str, dict[str, Tensor]]


def inference_gaps(
    program: nn.Module,
    x: Any,
    steps: int = 500,
    num_particles: int = 2000,
    *,
    learning_rate: float = 0.05,
    seed: int | None = None,
) -> Gaps:
    """Splits log p(x) − ELBO of each datum in an amortisation gap and an approximation gap.

    The guide's family is searched for each datum's own best member: the parameters of the guide's
    distributions (means, scales, …) are moved by gradient ascent on that datum's bound, from where
    the guide puts them. What then remains to log p(x) is the family's.

    In a hierarchy the parameters of q(z₂|z₁, x) are moved by the same amount whatever z₁; of a flow
    only the base is moved. There the best member may be better still, so that the amortisation gap
    is at least what is found.

    Arguments:
        program: The program, with a guide of reparameterised draws inside the data plate.
        x: A batch: a tensor, or a mapping or tuple of tensors.
        steps: Steps of the search, of Adam with a rate that falls to 0.
        num_particles: Draws for each bound and for log p(x).
        learning_rate: The first rate, in units of the unconstrained parameters.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        Both gaps with standard errors, and a verdict in words when printed.

    Raises:
        ProgramError: If the program has no latents or no guide, shares latents between data, or has
            draws that no gradient passes through or whose distributions have no parameters to move.
        NoDensityError: If a site has no density.
        ValueError: If `steps` is below 0 or `num_particles` below 2.

    References:
        Inference Suboptimality in Variational Autoencoders, Chris Cremer, Xuechen Li, David
        Duvenaud, 2018. https://arxiv.org/abs/1801.03558

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> gaps = inference_gaps(VAE(data_dim=4, z_dim=2), torch.ones(3, 4), 20, 100, seed=0)
        >>> gaps.amortization.shape, bool((gaps.amortization > 0).all())
        (torch.Size([3]), True)
    """
    if steps < 0 or num_particles < 2:
        raise ValueError(
            "Expected steps of at least 0 and num_particles of at least 2, got "
            f"{steps} and {num_particles}."
        )
    randomness = nullcontext() if seed is None else seeded(seed)
    with torch.no_grad(), evaluating(program), randomness:
        source = hold(program, x)
        need_draws(source.binding, "inference_gaps")
        _check(source)
        amounts, partly = _nothing(source)
        plain = _log_weights(source, {}, num_particles)
        with torch.enable_grad():
            _search(source, amounts, steps, learning_rate)
        return _summarise(plain, _log_weights(source, amounts, num_particles), partly)


def _check(source: Source) -> None:
    """Each datum has latents of its own, and gradients reach the guide's parameters."""
    for site in source.binding.draws:
        if not site.local:
            raise ProgramError(
                f"Expected latents inside the data plate, got '{site.name}', which all data share: "
                "it has no gap a datum. Try diagnose(program, x)."
            )
        if not site.reparameterised:
            raise ProgramError(
                f"Expected draws that gradients pass through, got site '{site.name}' "
                f"({site.distribution}). Try diagnose(program, x), whose gap is the whole of both."
            )


def _nothing(source: Source) -> tuple[Amounts, tuple[str, ...]]:
    """Zeros for each parameter of the guide's sites, and the sites that have others."""
    drawn = source.weigh(1).runs[0].guide
    sites = {site.name: drawn[site.name]["fn"] for site in source.binding.draws}
    amounts: Amounts = {}
    for name, fn in sites.items():
        free = free_parameters(fn)
        if not free:
            kind = type(base_distribution(fn)).__name__
            raise ProgramError(
                f"Expected a distribution with parameters to move, got {kind} at site '{name}' of "
                "the guide. Try diagnose(program, x), whose gap is the whole of both."
            )
        amounts[name] = {p: torch.zeros_like(value).requires_grad_() for p, value in free.items()}
    return amounts, tuple(name for name, fn in sites.items() if not all_free(fn))


def _search(source: Source, amounts: Amounts, steps: int, learning_rate: float) -> None:
    """Moves the amounts uphill on the bounds of all data; no datum's touches another's."""
    leaves = [amount for site in amounts.values() for amount in site.values()]
    optimizer = torch.optim.Adam(leaves, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(steps):
        bound = _weigh(source, amounts, DRAWS).mean(0).sum()
        for leaf, grad in zip(leaves, torch.autograd.grad(-bound, leaves), strict=True):
            leaf.grad = grad
        optimizer.step()
        schedule.step()


def _weigh(source: Source, amounts: Amounts, number: int) -> Tensor:
    """log p(x, z) − log q(z|x), `[K, B]`."""
    local, _ = source.weigh(number, (Shift(amounts),)).ratio()
    return torch.as_tensor(local)


def _log_weights(source: Source, amounts: Amounts, number: int) -> Tensor:
    """So many in chunks, in double precision."""
    parts = [_weigh(source, amounts, some).double() for some in chunks(source.binding, number)]
    return torch.cat(parts).cpu()


def _summarise(plain: Tensor, best: Tensor, partly: tuple[str, ...]) -> Gaps:
    """Means over particles `[K, B]` and their standard errors."""
    number = len(best)
    k_plain, k_best = (torch.from_numpy(pareto_k(log_w.T.numpy())) for log_w in (plain, best))
    # the best member is the surest, and may be so by tails that are too light for weights
    wider = (k_best > TRUSTED) & (k_plain < k_best)
    trusted = torch.where(wider, plain, best)
    log_evidence = torch.logsumexp(trusted, 0) - math.log(number)
    share = (trusted - log_evidence).exp()  # delta method: log of the mean is the mean of w / w̄ − 1
    variance = torch.where(wider, share.var(0) + best.var(0), (share - best).var(0))
    return Gaps(
        elbo=plain.mean(0),
        best_elbo=best.mean(0),
        log_evidence=log_evidence,
        amortization_error=((plain.var(0) + best.var(0)) / number).sqrt(),
        approximation_error=(variance / number).sqrt(),
        k_hat=torch.where(wider, k_plain, k_best),
        num_particles=number,
        partly=partly,
    )
