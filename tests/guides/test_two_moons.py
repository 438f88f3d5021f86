"""A posterior of two moons, whose evidence is known: flows come closer to it than mean field."""

from __future__ import annotations

import math

import pytest
import torch
from benchmarks.two_moons import (
    FAMILIES,
    Learned,
    TwoMoons,
    learn,
    log_density,
    log_evidence,
    square,
)
from pyro.distributions import Normal
from statistics_of import agree, mean_and_error

SEEDS, STEPS = (0, 1, 2), 2000


def test_the_evidence_by_quadrature_is_that_by_importance_sampling() -> None:
    torch.manual_seed(0)
    wide = Normal(torch.zeros(2), 2.0).to_event(1)
    z = wide.sample(torch.Size([200_000]))
    log_w = log_density(TwoMoons(), "model", z) - wide.log_prob(z) - log_evidence()
    agree(log_w.exp()[:, None], torch.ones(1))
    assert abs(log_evidence() - log_evidence(step=0.05)) < 1e-5


def closer(one: list[Learned], other: list[Learned]) -> None:
    """Asserts a smaller gap by two standard errors over seeds; in logs, for gaps differ by factors.

    A seed is that of both learnings, so that they are compared in pairs.
    """
    gaps = torch.tensor([[run.gap for run in runs] for runs in (one, other)])
    assert (gaps > 0).all() and gaps[0].mean() < gaps[1].mean(), gaps
    mean, error = mean_and_error(gaps[0].log() - gaps[1].log())
    assert mean + 2 * error < 0, gaps


@pytest.mark.slow
def test_flows_come_closer_than_mean_field() -> None:
    """Mean field is left with more than log 2, for it holds one moon; the others hold both."""
    names = ["mean field", "planar, 16 maps", "Sylvester, 16 maps", "autoregressive, 8 maps"]
    runs = {name: [learn(FAMILIES[name], STEPS, seed) for seed in SEEDS] for name in names}
    mean_field, planar, sylvester, autoregressive = runs.values()
    assert all(run.gap > math.log(2) + 0.1 for run in mean_field)
    closer(planar, mean_field)
    closer(sylvester, planar)
    closer(autoregressive, planar)
    for first, *_ in (planar, sylvester, autoregressive):
        log_q = log_density(first.program, "guide", square(8.0, 0.05))
        assert abs(float(log_q.exp().sum()) * 0.05**2 - 1) < 5e-3
