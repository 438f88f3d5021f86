"""The table a person needs before training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from torch import nn

from dgmppl.binding import Binding, Site, bind
from dgmppl.objectives import (
    ELBO,
    IWAE,
    VIMCO,
    Adversarial,
    DoublyReparameterized,
    ExpectationMaximization,
    MaximumLikelihood,
    Objective,
    ObjectiveError,
    Renyi,
    ReweightedWakeSleep,
    StickingTheLanding,
    WakeSleep,
)

__all__ = ["Description", "describe"]

OBJECTIVES: dict[str, Objective] = {
    "MaximumLikelihood()": MaximumLikelihood(),
    "ELBO()": ELBO(),
    "ELBO(gradient=StickingTheLanding())": ELBO(gradient=StickingTheLanding()),
    "IWAE(5)": IWAE(5),
    "IWAE(5, gradient=DoublyReparameterized())": IWAE(5, gradient=DoublyReparameterized()),
    "IWAE(5, gradient=VIMCO())": IWAE(5, gradient=VIMCO()),
    "Renyi(5)": Renyi(5),
    "WakeSleep()": WakeSleep(),
    "ReweightedWakeSleep(5)": ReweightedWakeSleep(5),
    "ExpectationMaximization()": ExpectationMaximization(),
}


@dataclass(frozen=True)
class Description:
    """What `describe` found; printing it shows the tables.

    Arguments:
        binding: Sites, plates and roles.
        parameters: Role → number of parameters.
        objectives: Objective → "" if the program can serve it, else the reason and the cure.
    """

    binding: Binding
    parameters: dict[str, int]
    objectives: dict[str, str]

    @property
    def sites(self) -> Sequence[Site]:
        """Every site."""
        return list(self.binding.sites.values())

    def __rich__(self) -> Group:
        return Group(self._site_table(), self._role_line(), self._objective_table())

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=110, color_system=None)
        console.print(self)
        return console.file.getvalue()  # type: ignore[attr-defined]

    __repr__ = __str__

    def _site_table(self) -> Table:
        table = Table(
            title=f"Sites (data plate: {self.binding.data_plate or 'none'})", title_justify="left"
        )
        for heading in (
            "site",
            "kind",
            "distribution",
            "batch",
            "event",
            "support",
            "in",
            "gradient through draws",
        ):
            table.add_column(heading)
        for site in self.sites:
            where = [
                w for w, there in (("model", site.in_model), ("guide", site.in_guide)) if there
            ]
            role = "observed" if site.observed else ("auxiliary" if site.auxiliary else "latent")
            path = "—" if site.observed else ("yes" if site.reparameterised else "no")
            table.add_row(
                f"{site.name} ({role})",
                site.kind.value,
                site.distribution,
                _shape(site.batch_shape),
                _shape(site.event_shape),
                site.support,
                "+".join(where),
                path,
            )
        return table

    def _role_line(self) -> str:
        roles = ", ".join(f"{role} {number:,}" for role, number in self.parameters.items())
        return f"Parameters by role: {roles or 'none'}\n"

    def _objective_table(self) -> Table:
        table = Table(title="Objectives", title_justify="left")
        table.add_column("objective", no_wrap=True)
        table.add_column("can be served", overflow="fold")
        for name, reason in self.objectives.items():
            table.add_row(name, reason or "yes")
        return table


def describe(program: nn.Module, x: Any) -> Description:
    """Looks at a program on a batch: sites, parameters' roles, and what objectives would need.

    Arguments:
        program: The program.
        x: A batch, such as the first few rows of the data.

    Returns:
        A description that prints as tables.

    Raises:
        ProgramError: If program and batch do not fit.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> description = describe(VAE(data_dim=16, z_dim=2), torch.ones(3, 16))
        >>> [site.name for site in description.sites], description.objectives["ELBO()"]
        (['z', 'x'], '')
    """
    binding = bind(program, x)
    counts = {
        role: sum(p.numel() for p in binding.parameters((role,)).values()) for role in binding.roles
    }
    reached = {name for names in binding.roles.values() for name in names}
    unused = sum(p.numel() for name, p in program.named_parameters() if name not in reached)
    if unused:
        counts["(reached by none)"] = unused
    games = {f"Adversarial('{s.name}')": Adversarial(s.name) for s in binding.observed[:1]}
    objectives: dict[str, Objective] = {**OBJECTIVES, **games}
    return Description(
        binding, counts, {name: _reason(o, binding) for name, o in objectives.items()}
    )


def _reason(objective: Objective, binding: Binding) -> str:
    try:
        objective.check(binding)
    except ObjectiveError as error:
        return str(error)
    return ""


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
