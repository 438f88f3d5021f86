"""Expectation maximisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.enumeration import Enumeration, enumerate_latents
from dgmppl.objectives.likelihood import check_exact
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress

__all__ = ["ExpectationMaximization"]


@dataclass(frozen=True)
class ExpectationMaximization(Objective):
    """Alternates the exact posterior of discrete latents (E) with a maximisation given it (M).

    The M step maximises E_{p(z|x)}[log p(x, z)]. Where the program has a method
    `maximize(x, posterior)` that sets its parameters in closed form, with `posterior` mapping
    site → p(z_i|x) `[B, C_i]`, it is that (on the whole data set the likelihood then never falls).
    Elsewhere it is `maximization_steps` gradient steps.

    Arguments:
        maximization_steps: Gradient steps with one posterior, where there is no closed form.

    References:
        Maximum Likelihood from Incomplete Data via the EM Algorithm, Arthur Dempster, Nan Laird,
        Donald Rubin, 1977. https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    Example:
        >>> print(ExpectationMaximization())
        E: p(z|x)   M: max E_{p(z|x)}[log p(x,z)]
    """

    maximization_steps: int = 10

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """Two cooperating players: the posterior, which owns no parameter, and the model."""
        if hasattr(binding.program, "maximize"):
            return (Phase(("posterior", "model"), self.closed_form, gradient=False),)
        return (
            Phase(("posterior",), self.expectation, gradient=False),
            Phase(("model",), self.maximization, repeat=self.maximization_steps),
        )

    def check(self, binding: Binding) -> None:
        """The posterior is tractable, and there is one."""
        check_exact(binding, type(self).__name__)
        if not binding.latents:
            raise ObjectiveError(
                "ExpectationMaximization needs a discrete latent site. Try MaximumLikelihood()."
            )

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The exact log-likelihood."""
        table = enumerate_latents(binding, x)
        return table.mean(table.log_evidence, progress.size).detach()

    @torch.no_grad()
    def closed_form(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Computes the posterior and hands it to the program's own maximisation."""
        table = enumerate_latents(binding, x)
        posterior = {site: table.marginal(site) for site in table.sites}
        binding.program.maximize(x, posterior)  # type: ignore[operator]
        return self._report(table, progress)

    @torch.no_grad()
    def expectation(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Computes the posterior and leaves it for the maximisation."""
        table = enumerate_latents(binding, x)
        progress.memory["posterior"] = table.posterior
        return self._report(table, progress)

    def maximization(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the expected complete log-likelihood a datum."""
        table = enumerate_latents(binding, x)
        expected = (progress.memory["posterior"] * table.log_joint).flatten(0, -2).sum(0)
        report = self._report(table, progress)
        return Loss(-table.mean(expected, progress.size), report.value, report.terms)

    @staticmethod
    def _report(table: Enumeration, progress: Progress) -> Loss:
        value = table.mean(table.log_evidence, progress.size).detach()
        return Loss(-value, value, {})

    @property
    def formula(self) -> str:
        """Both steps."""
        return "E: p(z|x)   M: max E_{p(z|x)}[log p(x,z)]"

    @property
    def latex(self) -> str:
        """Both steps."""
        return r"\max_\theta\;\mathbb{E}_{p_{\theta'}(z|x)}\left[\log p_\theta(x,z)\right]"
