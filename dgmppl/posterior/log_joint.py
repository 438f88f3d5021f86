"""log p(z, x) at a batch as a function of unconstrained latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.draw import Draw
from dgmppl.handlers.unconstrained import Unconstrained, bijection, free_event_dim
from dgmppl.posterior.source import Source
from dgmppl.site_checks import ProgramError

__all__ = ["LogJoint", "log_joint"]

TRIES = 20  # draws for a starting point of finite density


@dataclass(frozen=True)
class LogJoint:
    """The density that a Markov chain over a program's latents leaves invariant.

    Hidden entries of a latent (those that a mask leaves out) follow their prior, so that they stay
    where they belong; nothing else depends on them.

    Arguments:
        source: The program on a batch.
        plates: Site → how many dimensions of its unconstrained value are plates.
    """

    source: Source
    plates: dict[str, int]

    @property
    def joint(self) -> bool:
        """Whether a latent is shared by the data, so that they are not independent given x."""
        return not all(site.local for site in self.source.binding.latents)

    def __call__(self, free: Mapping[str, Tensor]) -> Tensor:
        """log p(z, x) + log |∂z/∂u| in nats, a datum `[C, B]`, or in all `[C, 1]` where `joint`.

        Arguments:
            free: Site → unconstrained values, `[C, *plates, *event]`.
        """
        prior, likelihood = self.parts(free)
        return prior + likelihood

    def parts(self, free: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """log p(z) with log |∂z/∂u|, and log p(x|z), likewise."""
        number = len(next(iter(free.values())))
        if number > 1 and not getattr(self.source.binding.program, "vectorized", True):
            rows = [{n: v[i : i + 1] for n, v in free.items()} for i in range(number)]
            parts = [self.parts(row) for row in rows]
            return torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts])
        draw, log_det = self.draw(free)
        tables = {n: draw.log_prob(s) for n, s in draw.model.items() if n not in log_det}
        for name, change in log_det.items():
            site = draw.model[name]
            mask = site["mask"] if site["mask"] is False else None
            unscaled = draw.binding.data_scale(site["cond_indep_stack"])
            jacobian = draw.table({**site, "scale": unscaled}, change)
            tables[name] = draw.log_prob({**site, "mask": mask}) + jacobian
        latent = {name: tables.pop(name) for name in log_det}
        return self.total(latent), self.total(tables) if tables else torch.zeros(())

    def draw(self, free: Mapping[str, Tensor]) -> tuple[Draw, dict[str, Tensor]]:
        """The model at unconstrained values, and log |∂z/∂u| by site."""
        number = len(next(iter(free.values())))
        placed = Unconstrained({n: self._laid_out(n, value) for n, value in free.items()})
        run = self.source.run(number, (placed,))
        sites = run.sites
        latents = {name: sites[name] for name in free}
        return Draw(self.source.binding, sites, latents, {}, {}), placed.log_det

    def total(self, tables: Mapping[str, Tensor]) -> Tensor:
        """Sums sites' tables `[C, B]` or `[C, 1]`: over the data, too, where `joint`."""
        sites = self.source.binding.sites
        local = [table for name, table in tables.items() if sites[name].local]
        if not self.joint:
            return torch.stack(torch.broadcast_tensors(*local)).sum(0)
        shared = [table for name, table in tables.items() if not sites[name].local]
        whole = [table.sum(1, keepdim=True) for table in local]
        return torch.stack(torch.broadcast_tensors(*shared, *whole)).sum(0)

    def like(self, name: str, table: Tensor, value: Tensor) -> Tensor:
        """A table `[C, B]` or `[C, 1]` in the shape of a site's unconstrained values."""
        shape = [1] * value.dim()
        shape[0] = len(table)
        if not self.joint:
            shape[self._data(name)] = table.shape[1]
        return table.reshape(shape)

    def sum(self, name: str, value: Tensor) -> Tensor:
        """Sums a site's unconstrained values to a table, `[C, B]`, or `[C, 1]` where `joint`."""
        if self.joint:
            return value.reshape(len(value), 1, -1).sum(-1)
        value = value.movedim(self._data(name), 1)
        return value.reshape(*value.shape[:2], -1).sum(-1)

    def _data(self, name: str) -> int:
        """Which dimension of a site's unconstrained values `[C, *plates, *event]` are the data."""
        return 1 + self.plates[name] + self.source.binding.data_dim

    def start(self) -> dict[str, Tensor]:
        """A draw of the guide, or of the prior where there is no guide, as unconstrained values.

        Raises:
            ProgramError: If draws have no finite density.
        """
        for _ in range(TRIES):
            sites = self._drawn()
            free = {n: bijection(s["fn"]).inv(s["value"]) for n, s in sites.items()}
            bad = [n for n, value in free.items() if not torch.isfinite(value).all()]
            if not bad and torch.isfinite(self({n: v[None] for n, v in free.items()})).all():
                return free
        origin = "guide" if self.source.binding.has_guide else "prior"
        where = f"site '{bad[0]}' is not" if bad else "log p(z, x) is not"
        raise ProgramError(
            f"Expected draws of the {origin} to start from, got {TRIES} at which {where} finite. "
            "Try describe(program, x), or a guide inside the model's support."
        )

    def _drawn(self) -> dict[str, Any]:
        """The latents' sites in one run."""
        if self.source.binding.has_guide:
            sites = self.source.weigh(1).runs[0].model
        else:
            sites = self.source.ancestral(1)[0].sites
        return {site.name: sites[site.name] for site in self.source.binding.latents}

    def _laid_out(self, name: str, value: Tensor) -> Tensor:
        """`[C, *plates, *event]` as Pyro wants it: chains left of every plate, none if alone."""
        if len(value) == 1:
            return value[0]
        depth = -self.source.binding.particle_dim - 1
        return value.reshape(len(value), *[1] * (depth - self.plates[name]), *value.shape[1:])


def log_joint(source: Source) -> LogJoint:
    """The density of a program's latents, where they are numbers that can move.

    Raises:
        ProgramError: If there are no latents, one is discrete or lies where no bijection leads to,
            or all data share latents and the batch holds only a part of them.
    """
    binding = source.binding
    if not binding.latents:
        raise ProgramError(
            "Expected latent sites, got a program without: refine has nothing to infer. "
            "Try generate(program) for draws and evidence(program, x) for log p(x)."
        )
    plates = {}
    for site in binding.latents:
        node = source.nodes[site.name]
        _check(site.name, site.distribution, node["fn"])
        free = bijection(node["fn"]).inv(node["value"])
        plates[site.name] = free.dim() - free_event_dim(node["fn"])
    density = LogJoint(source, plates)
    scales = [binding.data_scale(s.get("cond_indep_stack", ())) for s in source.nodes.values()]
    if density.joint and any(scale != 1.0 for scale in scales):
        raise ProgramError(
            "Expected all data, for they share latents, got a batch of some of them: a posterior "
            "has no minibatch. Try the plate without subsampling."
        )
    return density


def _check(name: str, distribution: str, fn: Any) -> None:
    """A site's values can move continuously."""
    if getattr(fn.support, "is_discrete", False):
        raise ProgramError(
            f"Expected continuous latents, got site '{name}' ({distribution}), whose values have "
            "no gradient. Try a model with the site summed out (objective MaximumLikelihood() and "
            "evidence do so by enumeration), or a relaxed distribution in its place."
        )
    try:
        bijection(fn)
    except NotImplementedError:
        raise ProgramError(
            f"Expected a bijection from the real numbers to the support of site '{name}' "
            f"({distribution}), got none. Try a real latent that a function sends there."
        ) from None
