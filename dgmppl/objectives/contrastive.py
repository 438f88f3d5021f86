"""What objectives of energies share: the log-factor at data, less that at the machine's draws."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.energy import EnergyError, Machine, States, machine_of
from dgmppl.energy.pseudo_likelihood import pseudo_likelihood
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.sites import Kind
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Contrastive", "clamped", "refuse_without_units"]


@dataclass(frozen=True)
class Contrastive(Objective):
    """The gradient of log p(x): E_data[∂ log-factor] − E_model[∂ log-factor].

    The second term is that of log Z, which is unknown. The surrogate is the difference of the
    log-factors; hidden layers that are independent of each other are summed out of both. What is
    reported is no likelihood but the pseudo-likelihood; of `Real` units the difference itself,
    which is near 0 where data and draws are alike.
    """

    measure = "pseudo-likelihood"

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the model."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """Units, some of which the data give."""
        refuse_without_units(binding, type(self).__name__)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """Looks at the energy, and at the first batch."""
        machine = machine_of(binding.program, x)
        data = clamped(binding, x)
        machine.check_states(data)
        self._check_hidden(machine, [n for n in machine.layers if n not in data])
        return None

    def _check_hidden(self, machine: Machine, hidden: list[str]) -> None:
        if not machine.independent(hidden):
            raise EnergyError(
                f"{type(self).__name__} needs hidden layers that are independent of each other "
                f"given the data; of {hidden} some interact. Try VariationalMaximumLikelihood()."
            )

    @abstractmethod
    def negative(self, machine: Machine, data: States, x: Any, progress: Progress) -> States:
        """States of every layer that the machine draws."""

    def positive(self, machine: Machine, data: States, x: Any) -> Tensor:
        """log of the sum of exp log-factor over the hidden layers, `[B]`, or a bound of it."""
        hidden = [n for n in machine.layers if n not in data]
        return machine.marginal(machine.filled(data), hidden, x)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the difference of the log-factors at data and at drawn states."""
        machine = machine_of(binding.program, x)
        data = clamped(binding, x)
        drawn = self.negative(machine, data, x, progress)
        hidden = [n for n in machine.layers if n not in data]
        summed = max(machine.blocks_of(hidden), key=len, default=())
        above = self.positive(machine, data, x).mean()
        below = machine.marginal(drawn, summed, self.conditions(x)).mean()
        if any(machine.layers[n].free for n in data):
            return Loss(below - above, (above - below).detach(), {})
        return Loss(below - above, self.report(machine, data, x), {})

    def conditions(self, x: Any) -> Any:
        """The batch, where the machine's own draws stand beside its data one by one."""
        return None

    def report(self, machine: Machine, data: States, x: Any) -> Tensor:
        """What is known of the fit, nats a datum."""
        return pseudo_likelihood(machine, data, x)

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """What is known of the fit."""
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        if any(machine.layers[n].free for n in data):
            value = self.loss(binding, x, progress).value
            assert value is not None
            return value
        return self.report(machine, data, x)

    @property
    def latex(self) -> str:
        """The difference of expectations."""
        return r"\mathbb{E}_{\mathrm{data}}[-E]-\mathbb{E}_{\mathrm{model}}[-E]"


def refuse_without_units(binding: Binding, name: str) -> None:
    """Refuses programs without units, or without data for them."""
    layers = [s for s in binding.sites.values() if s.kind is Kind.ENERGY]
    if not layers:
        raise ObjectiveError(
            f"{name} needs layers of units; the program has the sites {list(binding.sites)}. Try "
            "dgmppl.units('v', Binary(784), obs=x) and pyro.factor, or ELBO()."
        )
    if not any(layer.observed for layer in layers):
        raise ObjectiveError(
            f"{name} needs a layer that the data give; of {[s.name for s in layers]} none is. Try "
            "dgmppl.units(…, obs=x)."
        )


def clamped(binding: Binding, x: Any) -> dict[str, Tensor]:
    """The states of the layers that a batch gives."""
    model: Any = binding.program.model
    with torch.no_grad(), isolated(binding.program):
        sites = sample_sites(trace(model, x))
    return {n: s["value"] for n, s in sites.items() if "units" in s["infer"] and s["is_observed"]}
