"""Every estimator against the sum over all configurations of a sigmoid belief net."""

from __future__ import annotations

import pytest
import torch
from sigmoid_belief_net import SigmoidBeliefNet, data
from statistics_of import agree, exact_gradient, gradients, mean_and_error, values

from dgmppl.binding import bind
from dgmppl.objectives import (
    ELBO,
    IWAE,
    MIWAE,
    VIMCO,
    Bound,
    Concrete,
    InputDependent,
    LeaveOneOut,
    MovingAverage,
    Progress,
    ReweightedWakeSleep,
    ScoreFunction,
    StraightThrough,
    WakeSleep,
)

ROUNDS, COPIES = 50, 400  # 20,000 draws a datum

AVERAGES = [
    ELBO(gradient=ScoreFunction()),
    ELBO(gradient=ScoreFunction(), analytic_kl=False),
    ELBO(num_particles=2, gradient=ScoreFunction()),
    ELBO(gradient=ScoreFunction(baseline=MovingAverage())),
    ELBO(gradient=ScoreFunction(baseline=InputDependent())),
    ELBO(num_particles=2, gradient=ScoreFunction(baseline=LeaveOneOut())),
]
LOG_AVERAGES = [
    IWAE(num_particles=2, gradient=ScoreFunction()),
    IWAE(num_particles=2, gradient=ScoreFunction(baseline=MovingAverage())),
    IWAE(num_particles=2, gradient=ScoreFunction(baseline=InputDependent())),
    IWAE(num_particles=2, gradient=VIMCO()),
    MIWAE(num_groups=2, num_particles=2, gradient=ScoreFunction()),
    MIWAE(num_groups=2, num_particles=2, gradient=VIMCO()),
]


def drawn_gradients(objective: Bound, rounds: int = ROUNDS, copies: int = COPIES) -> torch.Tensor:
    """Independent gradients, the baseline learning its mean beside them, `[rounds, P]`."""
    program, x = SigmoidBeliefNet(), data().repeat(copies, 1)
    binding = bind(program, x)
    progress = Progress(state=objective.state(binding, x))
    return gradients(objective, binding, x, rounds, progress)


@pytest.mark.parametrize("objective", AVERAGES, ids=repr)
def test_averages(objective: ELBO) -> None:
    program, x = SigmoidBeliefNet(), data()
    truth = exact_gradient(program.elbo(x).mean(), program)
    agree(drawn_gradients(objective), truth)


@pytest.mark.parametrize("objective", LOG_AVERAGES, ids=repr)
def test_log_averages(objective: IWAE) -> None:
    program, x = SigmoidBeliefNet(), data()
    truth = exact_gradient(program.importance_bound(x).mean(), program)
    agree(drawn_gradients(objective), truth)


def test_baselines_and_other_particles_take_noise_away() -> None:
    """VIMCO < NVIL < plain, at equal numbers of draws."""
    guide = slice(-32, None)  # up: 5·3 + 3, 3·2 + 2, 2·2 + 2
    plain, nvil, vimco = (
        float(drawn_gradients(LOG_AVERAGES[i], 60, 20)[:, guide].var(0).sum()) for i in (0, 2, 3)
    )
    assert vimco < nvil < plain


def test_draws_earn_only_what_they_change() -> None:
    """Terms that a draw cannot have changed add noise, and are left out."""
    program, x = SigmoidBeliefNet(), data()
    found = bind(program, x).dependencies
    assert found.model == {"h3": {"h3"}, "h2": {"h2", "h3"}, "h1": {"h1", "h2"}, "x": {"h1"}}
    assert found.moved_by("h2") == {"h2", "h3"}


@pytest.mark.parametrize("estimator", [StraightThrough(), Concrete()], ids=repr)
def test_relaxations_report_the_bound_of_the_program_itself(estimator: Concrete) -> None:
    program, x = SigmoidBeliefNet(), data()
    objective = ELBO(gradient=estimator)
    mean, error = mean_and_error(values(objective, program, x.repeat(100, 1), 60))
    assert abs(mean - program.elbo(x).mean()) < 4 * error


def test_a_colder_relaxation_is_less_biased() -> None:
    program, x = SigmoidBeliefNet(), data()
    truth = exact_gradient(program.elbo(x).mean(), program)
    off = [
        (drawn_gradients(ELBO(gradient=Concrete(t)), 40, 200).mean(0) - truth).norm()
        for t in (1.0, 0.2)
    ]
    assert off[1] < off[0]


def test_reweighted_wake_follows_the_posterior() -> None:
    """With many draws from a guide that covers it, E_p(h|x)[∇ log p(x, h) + ∇ log q(h|x)]."""
    program, x = SigmoidBeliefNet(), data()
    with torch.no_grad():
        for parameter in program.up.parameters():
            parameter.mul_(0.2)
    log_p, log_q = program.tables(x)
    posterior = log_p.softmax(0).detach()
    truth = exact_gradient((posterior * (log_p + log_q)).sum(0).mean(), program)
    agree(gradients(ReweightedWakeSleep(num_particles=4000), program, x, 40), truth)


def test_wake_raises_the_expected_joint() -> None:
    program, x = SigmoidBeliefNet(), data()
    log_p, log_q = program.tables(x)
    truth = exact_gradient((log_q.exp().detach() * log_p).sum(0).mean(), program)
    agree(gradients(WakeSleep(), program, x.repeat(COPIES, 1), ROUNDS), truth)
