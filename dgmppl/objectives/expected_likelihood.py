"""The likelihood of some sites, at draws of the latents from the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.draw import Draw
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.sites import Kind
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["ExpectedLikelihood"]


@dataclass(frozen=True)
class ExpectedLikelihood(Objective):
    """E_p(z)[log p(x|z)] of some observed sites: what a conditional generator adds to its critic.

    The model runs beside the data, its latents drawn by itself; only the sites named here are
    scored, so that the others may be implicit. With a Laplace likelihood it is the L1 term of
    pix2pix, or CycleGAN's consistency. It bounds log p of these sites from below, and is it where
    the model draws nothing.

    Arguments:
        sites: Names of observed sites with a density, or one name.

    References:
        Image-to-Image Translation with Conditional Adversarial Networks, Phillip Isola et al.,
        2016. https://arxiv.org/abs/1611.07004

    Example:
        >>> print(ExpectedLikelihood("y"))
        E_p(z)[log p(y|z)]
    """

    sites: tuple[str, ...] | str

    def __post_init__(self) -> None:
        names = (self.sites,) if isinstance(self.sites, str) else tuple(self.sites)
        object.__setattr__(self, "sites", names)

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the model."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """Observed sites with a density, and a gradient through what they depend on."""
        for name in self.sites:
            site = binding.sites.get(name)
            if site is None or not site.observed or site.kind is not Kind.EXPLICIT:
                scored = [s.name for s in binding.observed if s.kind is Kind.EXPLICIT]
                raise ObjectiveError(
                    f"ExpectedLikelihood scores observed sites with a density, of which the "
                    f"program has {scored}; '{name}' is none. Try sites=… with those, or a "
                    f"likelihood such as pyro.sample('{name}', Laplace(…), obs=…)."
                )
        for site in binding.latents:
            if site.name in binding.opaque:
                raise ObjectiveError(
                    f"ExpectedLikelihood needs gradients through the model's draws of site "
                    f"'{site.name}', and {site.distribution} passes none. Try a relaxed "
                    "distribution, or ELBO() with a guide."
                )

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the mean log-likelihood a datum."""
        model: Any = binding.program.model
        with isolated(binding.program):
            sites = sample_sites(trace(model, x))
            draw = Draw(binding, sites, {}, {}, {})
            tables = {name: draw.log_prob(sites[name]).mean() for name in self.sites}
        value: Tensor = sum(tables.values(), 0.0 * next(iter(tables.values())))
        return Loss(-value, value.detach(), {n: t.detach() for n, t in tables.items()})

    @property
    def formula(self) -> str:
        """The expectation."""
        return f"E_p(z)[log p({', '.join(self.sites)}|z)]"

    @property
    def latex(self) -> str:
        """The expectation."""
        return rf"\mathbb{{E}}_{{p(z)}}\left[\log p({', '.join(self.sites)}|z)\right]"
