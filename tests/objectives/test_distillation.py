"""A student's divergence from its teacher, where it is known in closed form."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import dgmppl
from dgmppl.models.affine import Affine
from dgmppl.models.made import MADE
from dgmppl.models.planar_flow import Potential, potential
from dgmppl.models.vae import VAE
from dgmppl.objectives import Distillation, ObjectiveError, Progress


def value(student: torch.nn.Module, teacher: torch.nn.Module, n: int) -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.zeros(n, 1)
    return Distillation(teacher).value(dgmppl.bind(student, x), x, Progress(size=n))


def test_the_divergence_of_gaussians_is_exact_but_for_draws() -> None:
    student, teacher = Affine(1, 1.0, 0.0), Affine(1, 2.0, 1.0)
    exact = kl_divergence(Normal(0.0, 1.0), Normal(1.0, 2.0))
    draws = torch.distributions.Normal(0.0, 1.0).sample(torch.Size([100_000]))
    spread = (Normal(1.0, 2.0).log_prob(draws) - Normal(0.0, 1.0).log_prob(draws)).std()
    found = -value(student, teacher, 100_000)
    assert float(found) == pytest.approx(float(exact), abs=4 * float(spread) / 100_000**0.5)
    assert float(value(Affine(1, 2.0, 1.0), teacher, 10)) == pytest.approx(0, abs=1e-6)


def test_a_student_becomes_its_teacher_which_stays() -> None:
    teacher = Affine(2, 2.0, 1.0)
    run = dgmppl.fit(
        Affine(2, 1.0, 0.0),
        torch.zeros(200, 2),
        Distillation(teacher),
        optimizer=partial(torch.optim.Adam, lr=0.05),
        epochs=100,
        batch_size=100,
        progress=False,
    )
    learned = Normal(run.program.shift, run.program.scale.abs())
    assert kl_divergence(learned, Normal(1.0, 2.0)).max() < 2e-3  # 0.32 at the start
    assert teacher.scale.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_what_a_potential_integrates_to_is_above_the_value(number: int) -> None:
    ticks = torch.linspace(-5, 5, 501)
    points = torch.cartesian_prod(ticks, ticks)
    wall = 10 * (points.abs() - 4).clamp(min=0).square().sum(-1)
    log_z = (-potential(number, points) - wall).logsumexp(0) + 2 * (ticks[1] - ticks[0]).log()
    student = Affine(2, 1.0, 0.0)
    x = torch.zeros(20_000, 2)
    torch.manual_seed(0)
    bound = Distillation(Potential(number)).value(dgmppl.bind(student, x), x, Progress(size=1))
    assert bound < log_z


def test_students_without_a_density_or_gradients_are_refused() -> None:
    with pytest.raises(ObjectiveError, match="latent"):
        value_of = Distillation(Affine(16))
        value_of.check(dgmppl.bind(VAE(data_dim=16, z_dim=2), torch.zeros(3, 16)))
    with pytest.raises(ObjectiveError, match="scores x alone"):
        x = torch.zeros(3, 2)
        objective = Distillation(VAE(data_dim=2, z_dim=2))
        objective.value(dgmppl.bind(Affine(2), x), x, Progress(size=3))
    with pytest.raises(ObjectiveError, match="passes none"):
        Distillation(MADE(16)).check(dgmppl.bind(MADE(16), torch.zeros(3, 16)))
