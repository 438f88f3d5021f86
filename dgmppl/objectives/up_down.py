"""Wake–sleep for programs with an energy on top of directed layers: deep belief nets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.energy import machine_of
from dgmppl.objectives.contrastive_divergence import ContrastiveDivergence
from dgmppl.objectives.dreams import dream, guide_score
from dgmppl.objectives.objective import Loss, ObjectiveError, Phase, Progress
from dgmppl.objectives.recognition import Recognition, check_summed, recognise

__all__ = ["UpDown"]


@dataclass(frozen=True)
class UpDown(ContrastiveDivergence):
    """The guide goes up from the data, the energy's chains go on from there, the model comes down.

    Wake raises log p of the directed sites at the guide's draws, and the energy by contrastive
    divergence from them; sleep raises log q at what the model draws from the chains' ends. Reported
    is the reconstruction: log p of the observed sites.

    Arguments:
        steps: k, sweeps between up and down.
        sampler: A sweep.

    References:
        A Fast Learning Algorithm for Deep Belief Nets, Geoffrey Hinton, Simon Osindero, Yee-Whye
        Teh, 2006. https://doi.org/10.1162/neco.2006.18.7.1527

    Example:
        >>> print(UpDown(10))
        wake: E_q[log p(x|z) − E(z)] − E_10 sweeps from q[−E]   sleep: E_down[log q(z|x)]
    """

    measure = "reconstruction"

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One move of both players: neither's part reaches the other."""
        return (Phase(("model", "guide"), self.loss),)

    def check(self, binding: Binding) -> None:
        """An energy under directed sites, and a guide."""
        super().check(binding)
        directed = [s.name for s in binding.observed if not s.factor]
        if not binding.has_guide or not directed:
            raise ObjectiveError(
                f"UpDown needs observed sites below an energy, and a guide that draws its layers; "
                f"the program observes {directed}. Try ContrastiveDivergence()."
            )

    def state(self, binding: Binding, x: Any) -> None:
        """Looks at the energy, at what the guide draws of it, and at what is drawn from it."""
        super().state(binding, x)
        check_summed(binding, machine_of(binding.program, x), x)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus what wake and sleep raise."""
        machine, found = machine_of(binding.program, x), recognise(binding, x)
        drawn = self.negative(machine, found.states, x, progress)
        wake = {name: log_p.mean() for name, log_p in found.log_p.items()}
        energy = self.contrast(machine, found.states, drawn, x)
        sleep = guide_score(binding, dream(binding, x, given=drawn)).mean()
        below = torch.stack([*wake.values()]).sum()
        terms = {name: log_p.detach() for name, log_p in wake.items()} | {"sleep": sleep.detach()}
        return Loss(-(below + energy + sleep), _reconstruction(binding, found), terms)

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The reconstruction."""
        return _reconstruction(binding, recognise(binding, x))

    @property
    def formula(self) -> str:
        """Both phases."""
        plural = "s" if self.steps > 1 else ""
        return (
            f"wake: E_q[log p(x|z) − E(z)] − E_{self.steps} sweep{plural} from q[−E]   "
            "sleep: E_down[log q(z|x)]"
        )

    @property
    def latex(self) -> str:
        """Both phases."""
        return (
            r"\mathbb{E}_q[\log p(x|z)-E(z)]-\mathbb{E}_{\mathrm{model}}[-E],\quad"
            r"\mathbb{E}_{p(x,z)}[\log q(z|x)]"
        )


def _reconstruction(binding: Binding, found: Recognition) -> Tensor:
    """log p of the observed sites at the guide's draws, nats a datum."""
    parts = [p.detach().mean() for n, p in found.log_p.items() if binding.sites[n].observed]
    return torch.stack(parts).sum()
