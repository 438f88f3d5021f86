"""Learning of deep Boltzmann machines: mean field above, persistent chains below."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dgmppl.energy import GibbsInference, Machine, MeanField, States
from dgmppl.energy.pseudo_likelihood import reconstruction
from dgmppl.objectives.persistent_contrastive_divergence import PersistentContrastiveDivergence

__all__ = ["VariationalMaximumLikelihood"]


@dataclass(frozen=True)
class VariationalMaximumLikelihood(PersistentContrastiveDivergence):
    """E_q[log-factor] + entropy of q − log Z, by mean field and stochastic approximation.

    The hidden layers may interact: q is a product of independent units, at a fixed point. Log Z has
    its gradient from persistent chains. What is reported is the reconstruction through q.

    Arguments:
        steps: Sweeps of block Gibbs a step.
        num_chains: How many chains.
        sampler: A sweep.
        restart: The share of chains that start anew at each step.
        inference: `MeanField(10)`, or `GibbsInference()`: draws given the data, and no bound.

    References:
        Deep Boltzmann Machines, Ruslan Salakhutdinov, Geoffrey Hinton, 2009.
        https://proceedings.mlr.press/v5/salakhutdinov09a.html

    Example:
        >>> print(VariationalMaximumLikelihood())
        E_q[−E] + H(q) − log Z by 100 chains
    """

    inference: MeanField | GibbsInference = field(default_factory=lambda: MeanField(10))
    measure = "reconstruction"

    def _check_hidden(self, machine: Machine, hidden: list[str]) -> None:
        """Any hidden layers."""

    def positive(self, machine: Machine, data: States, x: Any) -> Tensor:
        """The variational bound, `[B]`."""
        return self.inference(machine, data, x).bound(machine, x)

    def report(self, machine: Machine, data: States, x: Any, *, rows: int | None = None) -> Tensor:
        """log p(v | q's means), nats a datum, of all."""
        return reconstruction(machine, data, x=x, means=self.inference(machine, data, x).values)

    @property
    def formula(self) -> str:
        """The variational bound."""
        return f"E_q[−E] + H(q) − log Z by {self.num_chains} chains"

    @property
    def latex(self) -> str:
        """The variational bound."""
        return r"\mathbb{E}_q[-E]+\mathbb{H}(q)-\log Z"
