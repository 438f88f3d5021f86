"""What objectives of energies share: the log-factor at data, less that at the machine's draws."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.energy import EnergyError, Machine, States, machine_of
from dgmppl.energy.pseudo_likelihood import pseudo_likelihood
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.objectives.recognition import recognise
from dgmppl.sites import Kind

__all__ = ["Contrastive", "clamped", "refuse_without_units"]

#: One in how many data is looked at for what a step reports.
SHARE = 4


@dataclass(frozen=True)
class Contrastive(Objective):
    """The gradient of log p(x): E_data[∂ log-factor] − E_model[∂ log-factor].

    The second term is that of log Z, which is unknown. The surrogate is the difference of the
    log-factors; hidden layers that are independent of each other are summed out of both. What is
    reported is no likelihood but the pseudo-likelihood, at a step that of a quarter of the batch;
    of `Real` units the difference itself, which is near 0 where data and draws are alike.
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
        gain = self.contrast(machine, data, drawn, x)
        if any(machine.layers[n].free for n in data):
            return Loss(-gain, gain.detach(), {})
        some = -(-len(next(iter(data.values()))) // SHARE)
        return Loss(-gain, self.report(machine, data, x, rows=some), {})

    def contrast(self, machine: Machine, data: States, drawn: States, x: Any) -> Tensor:
        """The log-factor at data less that at draws, means over either."""
        hidden = [n for n in machine.layers if n not in data]
        summed = max(machine.blocks_of(hidden), key=len, default=())
        above = self.positive(machine, data, x).mean()
        return above - machine.marginal(drawn, summed, self.conditions(x)).mean()

    def conditions(self, x: Any) -> Any:
        """The batch, where the machine's own draws stand beside its data one by one."""
        return None

    def report(self, machine: Machine, data: States, x: Any, *, rows: int | None = None) -> Tensor:
        """What is known of the fit, nats a datum, by some of the data."""
        return pseudo_likelihood(machine, data, x, rows=rows)

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
    if not any(layer.observed or layer.in_guide for layer in layers):
        raise ObjectiveError(
            f"{name} needs a layer that the data give; of {[s.name for s in layers]} none is. Try "
            "dgmppl.units(…, obs=x), or a guide that draws one."
        )


def clamped(binding: Binding, x: Any) -> dict[str, Tensor]:
    """The states of the layers that a batch gives, or that the guide draws for it."""
    return recognise(binding, x).states
