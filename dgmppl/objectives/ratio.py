"""A critic's ratio in the place of densities that a bound needs and a program has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dgmppl.adversarial import MaximumLikelihoodGame, TwoTraces, two_traces
from dgmppl.adversarial.two_traces import unmoved
from dgmppl.binding import Binding, Site
from dgmppl.objectives.adaptive_contrast import AdaptiveContrast, refuse_shared_noise
from dgmppl.objectives.criticised import Criticised, names_of
from dgmppl.objectives.objective import ObjectiveError, Phase, Progress
from dgmppl.sites import Kind
from dgmppl.weights import Weights

__all__ = ["Ratio"]


@dataclass(frozen=True)
class Ratio(Criticised):
    """log q − log p at some sites, learned by a critic from draws of both.

    Inside a bound, `ELBO(ratio=…)`, it stands for the terms of these sites, whose densities are not
    asked for: the guide's (adversarial variational Bayes), the mixture of the guide over all data
    (the adversarial autoencoder), or the generator's as well (ALI). The other sites keep theirs.

    | | |
    |---|---|
    | `Ratio("z", given="x")` | log q(z│x) − log p(z), by critic(x, z) |
    | `Ratio("z", given="x", contrast=AdaptiveContrast())` | log q(z│x) − log N(z; μ(x), σ²(x)) |
    | `Ratio("z")` | log q(z) − log p(z) of the codes of all data, by critic(z) |
    | `Ratio(("x", "z"))` | log q(x, z) − log p(x, z), by critic(x, z) |

    The guide's noise is an auxiliary site, `pyro.sample("noise", …, infer={"is_auxiliary": True})`;
    it has no term of its own. The value is a bound only as far as the critic is right: one that
    lags says too small a divergence, and the value is too high.

    Arguments:
        given: Names of observed sites that the critic is shown besides, before the others.
        contrast: What the guide is told from in the prior's place, or `None`.

    References:
        Adversarial Variational Bayes, Lars Mescheder, Sebastian Nowozin, Andreas Geiger, 2017.
        https://arxiv.org/abs/1701.04722

    Example:
        >>> print(Ratio("z", given="x"))
        log q(z|x) − log p(z) by critic(x, z)
    """

    sites: tuple[str, ...] | str = ("z",)
    given: tuple[str, ...] | str = ()
    contrast: AdaptiveContrast | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "given", names_of(self.given))

    @property
    def compared(self) -> tuple[str, ...]:
        """The given sites, then the others."""
        return (*self.given, *self.sites)

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The critic's."""
        return (self.critic_phase(binding),)

    def check(self, binding: Binding) -> None:
        """Values beside the data, one plate, and a critic that tells a ratio."""
        super().check(binding)
        try:
            self.divergence.log_ratio(torch.zeros(1))
        except NotImplementedError as error:
            raise ObjectiveError(f"Ratio needs the ratio of densities. {error}") from error
        if binding.particle_dim != -2:
            raise ObjectiveError(
                "Ratio compares data one by one; the program has plates beside the data plate. Try "
                "to_event for what belongs to one datum."
            )

    def check_bound(self, binding: Binding) -> None:
        """As a part of a bound: a guide of every latent site, whose draws pass gradients."""
        self.check(binding)
        for site in binding.latents:
            if not site.in_guide:
                raise ObjectiveError(
                    f"A bound needs a guide of every latent site; it misses '{site.name}'. Try "
                    "adding the site to the guide."
                )
        for site in binding.draws:
            if not site.reparameterised:
                raise ObjectiveError(
                    "A bound with a ratio follows the gradient through all of the guide's draws; "
                    f"those of site '{site.name}' pass none. Try a relaxed distribution."
                )

    def _check_site(self, binding: Binding, site: Site) -> None:
        name = site.name
        if not site.local:
            raise ObjectiveError(
                f"Ratio compares data one by one; site '{name}' has one value for all of them. Try "
                "moving it into the data plate."
            )
        if name in self.given and not site.observed:
            raise ObjectiveError(
                f"Ratio is given observed sites; '{name}' is latent. Try sites=… with it."
            )
        if not (site.observed or site.in_guide):
            raise ObjectiveError(
                f"Ratio needs draws of site '{name}' beside the data, and no guide draws it. Try "
                f"pyro.sample('{name}', …) or dgmppl.implicit('{name}', …) in the guide."
            )
        if self.contrast is None or name in self.given:
            return
        if site.observed or site.kind is Kind.IMPLICIT:
            raise ObjectiveError(
                f"Ratio with a contrast needs a latent site whose prior has a density; '{name}' is "
                "not one. Try contrast=None."
            )
        if not site.implicit_guide:
            raise ObjectiveError(
                f"Ratio with a contrast learns what a density would say, and site '{name}' has a "
                "density in the guide. Try ELBO() without a ratio."
            )

    def traces(self, binding: Binding, x: Any, *, moving: bool) -> TwoTraces:
        """Beside the data, and drawn from the prior or the contrast; what is given is the same."""
        found = two_traces(binding, x, self.compared, moving=moving)
        first = len(self.given)
        given, values, draws = found.data[:first], found.data[first:], found.draws[first:]
        if self.contrast is not None:
            moments = self.contrast.moments(binding, x, self.sites).values()
            pairs = zip(moments, values, strict=True)
            values = tuple(near.standardised(value) for near, value in pairs)
            draws = tuple(torch.randn_like(value) for value in values)
        return TwoTraces((*given, *values), (*given, *draws))

    def filled(self, w: Weights, x: Any, progress: Progress) -> Weights:
        """Tables with the critic's ratio in the place of the sites' densities.

        Arguments:
            w: Tables in which implicit sites count 0.
            x: The batch.
            progress: With the regulariser's state.
        """
        (run,) = w.runs
        sites = names_of(self.sites)
        given = [run.model[name]["value"] for name in self.given]
        values = {n: (run.guide[n] if n in run.guide else run.model[n])["value"] for n in sites}
        if max(map(len, w.log_p.values())) > 1:
            for name in values.keys() & run.guide.keys():
                refuse_shared_noise(name, values[name])
        near = {} if self.contrast is None else self.contrast.moments(w.binding, x, sites)
        shown = [near[n].standardised(v) if near else v for n, v in values.items()]
        flat = _flat(w.binding, self.compared, (*given, *shown))
        ratio = self._log_ratio(w.binding, flat, progress).reshape(-1, w.batch)
        noise = {n for n in w.log_q if w.binding.sites[n].auxiliary}
        log_q = {n: table for n, table in w.log_q.items() if n not in noise.union(sites)}
        known = {n: kl for n, kl in w.divergences.items() if n not in sites}
        if near:
            events = {n: len(w.binding.sites[n].event_shape) for n in sites}
            densities = [near[n].log_prob(v, events[n]) for n, v in values.items()]
            contrast = sum(density.reshape(-1, w.batch) for density in densities)
            return replace(w, log_q={sites[0]: contrast + ratio, **log_q}, known=known)
        log_p = {n: table for n, table in w.log_p.items() if n not in sites}
        return replace(w, log_p={sites[0]: -ratio, **log_p}, log_q=log_q, known=known)

    def draws_lose(self, binding: Binding, x: Any, progress: Progress) -> Tensor | None:
        """What the bound says of the model's own draws, where these can be learned.

        −E_p[q/p], whose gradient through the draws is that of E_q[log q − log p].
        """
        if self.contrast is not None or binding.learned.isdisjoint(self.sites):
            return None
        traces = self.traces(binding, x, moving=True)
        ratio = self._log_ratio(binding, traces.draws, progress)
        return MaximumLikelihoodGame().draws_lose(ratio).mean()

    def _log_ratio(
        self, binding: Binding, values: tuple[Tensor, ...], progress: Progress
    ) -> Tensor:
        """What the critic, which stays as it is, says of values, `[B]`."""
        with unmoved(self._module(binding)), self.judging(binding, progress) as judge:
            said = self.divergence.log_ratio(judge(values))
        return said.reshape(len(said), -1).mean(1)

    @property
    def formula(self) -> str:
        """The ratio."""
        given = f"|{', '.join(self.given)}" if self.given else ""
        sites = ", ".join(self.sites)
        below = f"r({sites}{given})" if self.contrast is not None else f"p({sites})"
        critic = f"{self.critic}({', '.join(self.compared)})"
        return f"log q({sites}{given}) − log {below} by {critic}"

    @property
    def latex(self) -> str:
        """The ratio."""
        given = f"|{', '.join(self.given)}" if self.given else ""
        sites = ", ".join(self.sites)
        below = f"r({sites}{given})" if self.contrast is not None else f"p({sites})"
        return rf"\log q({sites}{given})-\log {below}"


def _flat(binding: Binding, names: Sequence[str], values: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Particles and data as one dimension: `[K, B, …]`, or `[B, …]`, → `[K·B, …]`."""
    events = [len(binding.sites[name].event_shape) for name in names]
    batches = [v.shape[: v.dim() - e] for v, e in zip(values, events, strict=True)]
    batch = torch.broadcast_shapes(*batches)
    shapes = [(*batch, *v.shape[v.dim() - e :]) for v, e in zip(values, events, strict=True)]
    whole = [v.expand(shape) for v, shape in zip(values, shapes, strict=True)]
    return tuple(v.flatten(0, len(batch) - 1) for v in whole)
