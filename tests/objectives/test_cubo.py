"""The χ upper bound: above log p(x), equal to it at the posterior, lowered by the guide alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from statistics_of import exact_gradient, gradients, values

import dgmppl
from dgmppl.inference import read_checkpoint
from dgmppl.objectives import CUBO, IWAE, PerRole


def chi_bound(program: LinearGaussian, x: torch.Tensor) -> torch.Tensor:
    """1/2 log E_q[w²] in closed form, `[B]`: an integral of Gaussians, by quadrature a unit."""
    loc, scale = x @ program.gain.T + program.offset, program.log_scale.exp()
    precision = 1 + program.W.square().sum(0) / program.sigma**2
    mean = ((x - program.b) @ program.W / program.sigma**2) / precision
    # log E_q[(p(z|x)/q(z))²] of two Gaussians, a unit
    inverse = 2 * precision - scale**-2
    shift = 2 * precision * mean - loc / scale**2
    log = (
        precision.log()
        - 0.5 * inverse.log()
        + scale.log()
        - 0.5 * (2 * precision * mean**2 - loc**2 / scale**2)
        + 0.5 * shift**2 / inverse
    )
    return program.log_evidence(x) + 0.5 * log.sum(-1)


def test_it_is_the_closed_form_above_the_evidence() -> None:
    program, x = LinearGaussian(0.5), data()
    exact = chi_bound(program, x)
    assert (exact > program.log_evidence(x)).all()
    found = values(CUBO(num_particles=100_000), program, x, 3).mean()
    assert abs(found - exact.mean()) < 0.02


def test_at_the_posterior_it_is_the_evidence() -> None:
    program, x = LinearGaussian(), data()
    found = values(CUBO(num_particles=2), program, x, 3)
    torch.testing.assert_close(found, program.log_evidence(x).mean().expand(3))


def test_its_gradient_is_that_of_the_closed_form() -> None:
    """Consistent: near for many draws."""
    program, x = LinearGaussian(0.3), data()
    truth = exact_gradient(-chi_bound(program, x).mean(), program)
    found = gradients(CUBO(num_particles=20_000), program, x, 10).mean(0)
    guide = slice(-10, None)  # gain [2, 3], offset [2], log_scale [2]
    assert (found - truth)[guide].norm() < 0.03 * truth[guide].norm()


def test_a_guide_that_is_far_off_comes_back() -> None:
    """Few draws of a guide beside the posterior: a path gradient would send it further away."""
    program, x = LinearGaussian(), data(100)
    with torch.no_grad():
        program.offset += 4.0
    before = chi_bound(program, x).mean()
    adam = partial(torch.optim.Adam, lr=0.05)
    dgmppl.fit(program, x, CUBO(5), epochs=150, optimizer=adam, device="cpu", progress=False)
    exact = program.log_evidence(x).mean()
    assert chi_bound(program, x).mean() - exact < 0.05 * (before - exact)


def test_learning_lowers_it_and_leaves_the_model_alone() -> None:
    program, x = LinearGaussian(0.5), data(100)
    before, model = chi_bound(program, x).mean(), program.W.detach().clone()
    dgmppl.fit(
        program,
        x,
        CUBO(num_particles=20),
        epochs=60,
        device="cpu",
        progress=False,
        optimizer=lambda p: torch.optim.Adam(p, lr=0.02),
    )
    assert torch.equal(program.W, model)
    exact = program.log_evidence(x).mean()
    assert chi_bound(program, x).mean() - exact < 0.2 * (before - exact)


def test_the_best_parameters_are_those_of_the_lowest_bound(tmp_path: Path) -> None:
    program, x = LinearGaussian(0.5), data(50)
    run = dgmppl.fit(
        program,
        x,
        CUBO(num_particles=20),
        epochs=4,
        device="cpu",
        progress=False,
        validation=x,
        directory=tmp_path,
        optimizer=lambda p: torch.optim.SGD(p, lr=0.003, maximize=True),
    )  # uphill: the first is best
    rows = [row["validation"] for row in run.history.epochs]
    assert rows[0] == min(rows)
    assert read_checkpoint(tmp_path / "best.safetensors")["position"][0] == 1


def test_each_player_follows_its_own_objective() -> None:
    program, x = LinearGaussian(0.5), data(50)
    objective = PerRole(model=IWAE(num_particles=3), guide=CUBO(num_particles=3))
    phases = objective.phases(dgmppl.bind(program, x))
    assert [phase.roles for phase in phases] == [("model",), ("guide",)]
    run = dgmppl.fit(program, x, objective, epochs=2, device="cpu", progress=False)
    assert run.step == 2


@pytest.mark.parametrize("settings", [{"order": 1.0}, {"num_particles": 1}])
def test_what_is_no_upper_bound_is_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="CUBO"):
        CUBO(**settings)
