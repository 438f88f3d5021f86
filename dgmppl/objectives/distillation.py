"""Teach a program that draws fast what another one knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.handlers import Redraw, Replay
from dgmppl.objectives.objective import (
    Loss,
    Objective,
    ObjectiveError,
    Phase,
    Progress,
    refuse_undensified,
)
from dgmppl.sites import is_factor
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Distillation"]


@dataclass(frozen=True)
class Distillation(Objective):
    """E_student[log teacher(x) − log student(x)] = −KL(student ‖ teacher), at the student's draws.

    The teacher is a program that scores x: exactly, or up to a constant where it has a
    `pyro.factor`, so that the value is then a lower bound of the logarithm of what it integrates
    to. It stays as it is. Of the data the student sees conditions, and how many draws to make.

    Arguments:
        teacher: A program with the student's observed sites, and no latent variables.

    References:
        Parallel WaveNet: Fast High-Fidelity Speech Synthesis, Aäron van den Oord et al., 2017.
        https://arxiv.org/abs/1711.10433

    Example:
        >>> from dgmppl.models.affine import Affine
        >>> print(Distillation(Affine(2)))
        E_model[log teacher(x) − log p(x)]
    """

    teacher: Any

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the student."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """A student whose draws have a density and pass gradients, and no latent variables."""
        refuse_undensified(binding, type(self).__name__)
        if binding.latents:
            raise ObjectiveError(
                f"Distillation needs log p(x) of the student's draws, which latent variables "
                f"{[s.name for s in binding.latents]} hide. Try a flow."
            )
        for site in binding.observed:
            if not site.reparameterised:
                raise ObjectiveError(
                    f"Distillation follows gradients through the student's draws, and site "
                    f"'{site.name}' ({site.distribution}) passes none. Try a flow."
                )

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """KL(student ‖ teacher), by as many draws as the batch has data."""
        program: Any = binding.program
        with isolated(program):
            drawn = trace(program.model, x, handlers=(Redraw(),))
        values: dict[str, Any] = {
            site.name: drawn.nodes[site.name]["value"] for site in binding.observed
        }
        with isolated(self.teacher):
            scored = trace(self.teacher.model, x, handlers=(Redraw(), Replay(values)))
        unknown = [name for name in values if name not in scored.nodes]
        if unknown:
            raise ObjectiveError(
                f"Distillation needs a teacher with the site '{unknown[0]}', got "
                f"{[*scored.nodes]}. Try the student's name for it."
            )
        hidden = [n for n, s in sample_sites(scored).items() if not (n in values or is_factor(s))]
        if hidden:
            raise ObjectiveError(
                f"Distillation needs a teacher that scores x alone, which its sites {hidden} hide. "
                "Try a flow or an autoregressive program as the teacher."
            )
        gain = _log_prob(scored) - _log_prob(drawn)
        value = gain.mean()
        return Loss(-value, value.detach(), {})

    @property
    def formula(self) -> str:
        """The divergence."""
        return "E_model[log teacher(x) − log p(x)]"

    @property
    def latex(self) -> str:
        """The divergence."""
        return r"\mathbb{E}_{p}[\log p_{\mathrm{teacher}}(x)-\log p(x)]"


def _log_prob(traced: Any) -> Tensor:
    """The sum over sites, `[B]`."""
    traced.compute_log_prob()
    nodes = traced.nodes.values()
    own = [site["log_prob"] for site in nodes if site["type"] == "sample" and "log_prob" in site]
    return torch.stack([term for term in own if term.dim()]).sum(0)
