"""Sums, formulas and refusals."""

from __future__ import annotations

from dataclasses import replace

import pyro
import pytest
import torch
from enumerable import Mixture, Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import Binding, bind
from dgmppl.energy import Binary
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    ExpectationMaximization,
    MaximumLikelihood,
    Objective,
    ObjectiveError,
    Pathwise,
    PerRole,
    Phase,
    Progress,
    StickingTheLanding,
)
from dgmppl.schedules import Linear
from dgmppl.weights import weights


def test_sums_add_values_and_gradients() -> None:
    program, x = LinearGaussian(1.0), data()
    binding = bind(program, x)
    total = ELBO() + 0.5 * IWAE(num_particles=3)
    (phase,) = total.phases(binding)
    assert phase.roles == ("model", "guide")

    def run(losses: list[tuple[float, Objective]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        torch.manual_seed(0)
        results = [(w, o.phases(binding)[0].loss(binding, x, Progress())) for w, o in losses]
        surrogate = sum(w * r.surrogate for w, r in results)
        value = sum(w * r.value for w, r in results)
        return value, torch.autograd.grad(surrogate, list(program.parameters()))

    value, slope = run([(1.0, total)])
    parts_value, parts_slope = run([(1.0, ELBO()), (0.5, IWAE(num_particles=3))])
    assert torch.allclose(value, parts_value)
    assert all(torch.allclose(a, b) for a, b in zip(slope, parts_slope, strict=True))
    torch.manual_seed(0)
    assert torch.allclose(total.value(binding, x, Progress()), value)


def test_a_part_of_a_sum_reaches_its_own_players_only() -> None:
    program, x = LinearGaussian(1.0), data()
    binding = bind(program, x)
    total = PerRole(model=IWAE(num_particles=3), guide=ELBO()) + ELBO()
    (merged,) = total.phases(binding)
    assert set(merged.roles) == {"model", "guide"}
    names = [name for name, _ in program.named_parameters()]
    torch.manual_seed(0)
    surrogate = merged.loss(binding, x, Progress()).surrogate
    slopes = dict(zip(names, torch.autograd.grad(surrogate, [*program.parameters()]), strict=True))
    expected = {name: torch.zeros_like(p) for name, p in program.named_parameters()}
    torch.manual_seed(0)
    for part in (PerRole(model=IWAE(num_particles=3), guide=ELBO()), ELBO()):
        for phase in part.phases(binding):
            own = binding.parameters(phase.roles)
            loss = phase.loss(binding, x, Progress()).surrogate
            for name, slope in zip(own, torch.autograd.grad(loss, [*own.values()]), strict=True):
                expected[name] += slope
    assert all(torch.allclose(slopes[name], expected[name]) for name in names)


class Seldom(ELBO):
    """An ELBO whose players move at every third step."""

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        return tuple(replace(phase, every=3) for phase in super().phases(binding))


def test_players_that_keep_another_time_stay_apart() -> None:
    phases = (ELBO() + Seldom()).phases(bind(LinearGaussian(), data()))
    assert [phase.every for phase in phases] == [1, 3]


FORMULAS = {
    ELBO(): "E_q[log p(x,z) − log q(z|x)]",
    IWAE(num_particles=5): "E_q[log 1/5 Σ_k p(x,z_k)/q(z_k|x)]",
    MaximumLikelihood(): "log p(x)",
    ExpectationMaximization(): "E: p(z|x)   M: max E_{p(z|x)}[log p(x,z)]",
    ELBO() + 0.5 * MaximumLikelihood(): "E_q[log p(x,z) − log q(z|x)] + 0.5·log p(x)",
    2 * (ELBO() + MaximumLikelihood()): "2·E_q[log p(x,z) − log q(z|x)] + 2·log p(x)",
    ELBO(temper=4.0): "E_q[log p(x,z) − log q(z|x)], latents to the power 4",
    IWAE(2, temper=Linear(0.0, 1.0, 10)): (
        "E_q[log 1/2 Σ_k p(x,z_k)/q(z_k|x)], latents to the power (0→1 over 10 epochs)"
    ),
}


@pytest.mark.parametrize(("objective", "formula"), FORMULAS.items(), ids=str)
def test_objectives_print_their_formula(objective: Objective, formula: str) -> None:
    assert str(objective) == formula
    latex = objective._repr_latex_()
    assert latex.startswith("$") and latex.endswith("$")
    assert latex.count("{") == latex.count("}")


class Foreign(dgmppl.Program):
    """A site of a kind that bounds refuse."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.loc = nn.Parameter(torch.zeros(2))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n) as rows:
            if self.kind == "implicit":
                dgmppl.implicit("x", self.loc.expand(len(rows), 2), obs=x)
            else:
                dgmppl.units("x", Binary(2), obs=x)
                pyro.factor("energy", self.loc.sum().expand(len(rows)))

    def guide(self, x: Tensor) -> None:
        """No latents."""


class Unguided(dgmppl.Program):
    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(()))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(self.loc, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)


X = torch.ones(3, 2)
REFUSALS = [
    (LinearGaussian(), data(), IWAE(5, gradient=StickingTheLanding()), "DoublyReparameterized"),
    (Switch(), few_numbers(), ELBO(gradient=Pathwise()), "site 'h'.*ScoreFunction"),
    (Switch(), few_numbers(), ELBO(gradient=StickingTheLanding()), "site 'h'.*ScoreFunction"),
    (Switch(), few_numbers(), IWAE(5, gradient=DoublyReparameterized()), "site 'h'"),
    (Foreign("implicit"), X, ELBO(), "site 'x', which is implicit.*critic"),
    (Foreign("energy"), X, ELBO(), "site 'x' belongs to an energy.*contrastive"),
    (Foreign("implicit"), X, MaximumLikelihood(), "site 'x', which is implicit"),
    (Unguided(), torch.ones(3), ELBO(), r"guide for the latent sites \['z'\].*AutoNormal"),
    (Unguided(), torch.ones(3), MaximumLikelihood(), "'z'.*cannot be summed over.*ELBO"),
    (LinearGaussian(), data(), ELBO(temper={"y": 2.0}), r"site 'y'.*\['z', 'x'\]|\['x', 'z'\]"),
    (LinearGaussian(), data(), ExpectationMaximization(), "'z'.*cannot be summed over"),
]


@pytest.mark.parametrize(("program", "x", "objective", "message"), REFUSALS)
def test_refusals_name_the_site_and_the_cure(
    program: dgmppl.Program, x: Tensor, objective: Objective, message: str
) -> None:
    with pytest.raises(ObjectiveError, match=message):
        dgmppl.fit(program, x, objective, epochs=1, progress=False)


def test_a_sum_refuses_what_a_part_refuses() -> None:
    program, x = Mixture(), few_numbers()
    with pytest.raises(ObjectiveError, match="guide for the latent sites"):
        (MaximumLikelihood() + ELBO()).check(bind(program, x))


def test_densities_of_implicit_sites_are_refused() -> None:
    with pytest.raises(dgmppl.NoDensityError, match=r"'x' is implicit.*critic"):
        weights(Foreign("implicit"), X)
