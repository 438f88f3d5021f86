"""Exact sums over discrete latent variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro.infer import config_enumerate
from pyro.poutine.enum_messenger import EnumMessenger
from pyro.poutine.messenger import Messenger
from torch import Tensor

from dgmppl.binding import Binding, ProgramError
from dgmppl.sites import shown
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Enumeration", "check_enumerable", "enumerate_latents"]


@dataclass(frozen=True)
class Enumeration:
    """log p(x, z) at every configuration of the discrete latents.

    Arguments:
        log_joint: One dimension a latent site, then the data: `[C_1, …, C_L, B]`.
        sites: The latent sites, in the order of the dimensions.
        shared: log p of what lies outside the data plate, such as a factor on parameters: once for
            all data.
        full: N where the program itself says that the batch is a part of N data, else `None`.
    """

    log_joint: Tensor
    sites: tuple[str, ...]
    shared: Tensor
    full: int | None = None

    @property
    def log_evidence(self) -> Tensor:
        """log p(x) in nats, `[B]`."""
        return torch.logsumexp(self.log_joint.reshape(-1, self.log_joint.shape[-1]), 0)

    def mean(self, local: Tensor, size: int | None) -> Tensor:
        """Nats a datum from one number a datum `[B]` and what all N data share."""
        return local.mean() + self.shared / (self.full or size or len(local))

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
        sites = sample_sites(trace(model, x, handlers=(enum, _Limit(limit))))
    names = tuple(site.name for site in binding.latents)
    zero = torch.zeros(())
    inside = {n: s for n, s in sites.items() if binding.is_local(s["cond_indep_stack"])}
    shared = sum((_scored(binding, s).sum() for n, s in sites.items() if n not in inside), zero)
    # the first latent is given the rightmost free dimension; put the last latent's first
    total = sum((_per_datum(binding, site, len(names)) for site in inside.values()), zero)
    table = total.permute(*reversed(range(len(names))), -1) if names else total.reshape(-1)
    frames = [f for s in inside.values() for f in s["cond_indep_stack"]]
    full = [f.full_size for f in frames if f.name == binding.data_plate and f.size != f.full_size]
    return Enumeration(table, names, shared, full[0] if full else None)


class _Limit(Messenger):
    """Counts configurations as they are listed, and refuses too many before memory ends."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit, self.count = limit, 1

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["is_observed"] or not msg["infer"].get("_enumerate_dim"):
            return
        dim = msg["infer"]["_enumerate_dim"] - msg["fn"].event_dim
        self.count *= msg["value"].shape[dim]
        if self.count > self.limit:
            raise ProgramError(
                f"Expected at most {self.limit} configurations of the discrete sites a datum, got "
                f"{self.count} up to site '{msg['name']}'. Try ELBO() with a guide."
            )


def _per_datum(binding: Binding, site: dict[str, Any], latents: int) -> Tensor:
    """A site's log-density summed over the plates beside the data, `[C_L, …, C_1, B]` at most."""
    log_prob = _scored(binding, site)
    nesting = -binding.particle_dim - 1
    log_prob = log_prob.reshape((1,) * (nesting + latents - log_prob.dim()) + log_prob.shape)
    plates = [d for d in range(-nesting, 0) if d != binding.data_dim]
    return log_prob.sum(plates) if plates else log_prob


def _scored(binding: Binding, site: dict[str, Any]) -> Tensor:
    """A site's log-density where its mask shows it; a minibatch's scale stays outside."""
    log_prob = shown(site, site["fn"].log_prob(site["value"]))
    return log_prob * (site["scale"] / binding.data_scale(site["cond_indep_stack"]))
