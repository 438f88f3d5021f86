"""Exact sums over discrete latent variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro.infer import config_enumerate
from pyro.poutine.enum_messenger import EnumMessenger
from torch import Tensor

from dgmppl.binding import Binding, ProgramError
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Enumeration", "check_enumerable", "enumerate_latents"]


@dataclass(frozen=True)
class Enumeration:
    """log p(x, z) at every configuration of the discrete latents.

    Arguments:
        log_joint: One dimension a latent site, then the data: `[C_1, …, C_L, B]`.
        sites: The latent sites, in the order of the dimensions.
    """

    log_joint: Tensor
    sites: tuple[str, ...]

    @property
    def log_evidence(self) -> Tensor:
        """log p(x) in nats, `[B]`."""
        return torch.logsumexp(self.log_joint.reshape(-1, self.log_joint.shape[-1]), 0)

    @property
    def posterior(self) -> Tensor:
        """p(z|x), of the shape of `log_joint`."""
        return (self.log_joint - self.log_evidence).exp()

    def marginal(self, site: str) -> Tensor:
        """p(z_i|x) of one site, `[B, C_i]`."""
        others = [d for d, name in enumerate(self.sites) if name != site]
        return (self.posterior.sum(others) if others else self.posterior).T


def check_enumerable(binding: Binding) -> None:
    """Raises ProgramError unless every latent can be listed and has one value a datum."""
    for site in binding.latents:
        if not site.enumerable:
            raise ProgramError(
                f"Site '{site.name}' ({site.distribution}) cannot be summed over: its values are "
                "not finitely many scalars. Try ELBO() or IWAE() with a guide."
            )
        if not site.local or len(site.batch_shape) != 1:
            raise ProgramError(
                f"Site '{site.name}' is not a single value a datum, so that sums over it do not "
                "factorise over the data. Try ELBO() with a guide, or Pyro's TraceEnum_ELBO."
            )


def enumerate_latents(binding: Binding, x: Any, *, limit: int = 2**20) -> Enumeration:
    """Scores the model at every configuration of its discrete latents.

    Arguments:
        binding: The program.
        x: A batch.
        limit: Most configurations a datum.

    Returns:
        The table of log-densities; with no latent at all it is log p(x) itself, `[B]`.

    Raises:
        ProgramError: If a latent is not a single enumerable value a datum, or there are more
            configurations than `limit`.
    """
    check_enumerable(binding)
    module = binding.program
    model = config_enumerate(module.model, "parallel")
    with isolated(module):
        enum = EnumMessenger(first_available_dim=binding.particle_dim)
        sites = sample_sites(trace(model, x, handlers=(enum,)))
    names = tuple(site.name for site in binding.latents)
    # the first latent is given the rightmost free dimension; put the last latent's first
    total = sum((_per_datum(binding, site, len(names)) for site in sites.values()), torch.zeros(()))
    table = total.permute(*reversed(range(len(names))), -1) if names else total
    if table[..., 0].numel() > limit:
        raise ProgramError(
            f"Expected at most {limit} configurations a datum, got {table[..., 0].numel()}. Try a "
            "guide."
        )
    return Enumeration(table, names)


def _per_datum(binding: Binding, site: dict[str, Any], latents: int) -> Tensor:
    """A site's log-density summed over the plates beside the data, `[C_L, …, C_1, B]` at most."""
    log_prob = site["fn"].log_prob(site["value"])
    if isinstance(site["mask"], Tensor):
        log_prob = torch.where(site["mask"], log_prob, log_prob.new_zeros(()))
    log_prob = log_prob * site["scale"] if site["mask"] is not False else torch.zeros_like(log_prob)
    nesting = -binding.particle_dim - 1
    log_prob = log_prob.reshape((1,) * (nesting + latents - log_prob.dim()) + log_prob.shape)
    plates = [d for d in range(-nesting, 0) if d != binding.data_dim]
    return log_prob.sum(plates) if plates else log_prob
