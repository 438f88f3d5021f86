"""Mutual information of a code and what is drawn from it, bounded by the guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dgmppl.binding import Binding
from dgmppl.draw import Draw
from dgmppl.objectives.dreams import dream, guide_score
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.traces import isolated

__all__ = ["MutualInformation"]


@dataclass(frozen=True)
class MutualInformation(Objective):
    """E_p(c,x)[log q(c|x) − log p(c)] ≤ I(c; x): what draws tell of the code they are made from.

    It is the sleep term of wake–sleep with gradients through the drawn x, so that the model learns
    from it, too. `Adversarial("x") + MutualInformation("c")` is InfoGAN.

    Arguments:
        sites: Names of latent sites that the guide draws, or one name.

    References:
        InfoGAN: Interpretable Representation Learning by Information Maximizing Generative
        Adversarial Nets, Xi Chen et al., 2016. https://arxiv.org/abs/1606.03657

    Example:
        >>> print(MutualInformation("c"))
        E_p(c,x)[log q(c|x) − log p(c)]
    """

    sites: tuple[str, ...] | str
    measure = "information"

    def __post_init__(self) -> None:
        names = (self.sites,) if isinstance(self.sites, str) else tuple(self.sites)
        object.__setattr__(self, "sites", names)

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """Model and guide move together."""
        return (Phase(("model", "guide"), self.loss),)

    def check(self, binding: Binding) -> None:
        """Latent sites that the guide draws, and observed ones that pass gradients."""
        drawn = [s.name for s in binding.draws if s.in_model and s.local]
        for name in self.sites:
            if name not in drawn:
                raise ObjectiveError(
                    f"MutualInformation needs a guide that draws site '{name}' for each datum; it "
                    f"draws {drawn}. Try one of these, or pyro.sample('{name}', …) in the guide."
                )
        for site in binding.observed:
            if site.name in binding.opaque:
                raise ObjectiveError(
                    f"MutualInformation needs gradients through draws of site '{site.name}', and "
                    f"{site.distribution} passes none. Try a relaxed distribution, or "
                    f"dgmppl.implicit('{site.name}', …) with a smooth value."
                )

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the bound, in dreams."""
        dreamt = dream(binding, x, moving=True)
        with isolated(binding.program):
            prior = Draw(binding, dreamt.sites, {}, {}, {})
            tables = [prior.log_prob(dreamt.sites[name]).detach() for name in self.sites]
        value = (guide_score(binding, dreamt, self.sites) - sum(tables)).mean()
        return Loss(-value, value.detach(), {"information": value.detach()})

    @property
    def formula(self) -> str:
        """The bound."""
        code = ", ".join(self.sites)
        return f"E_p({code},x)[log q({code}|x) − log p({code})]"

    @property
    def latex(self) -> str:
        """The bound."""
        code = ", ".join(self.sites)
        return rf"\mathbb{{E}}_{{p({code},x)}}\left[\log q({code}|x)-\log p({code})\right]"
