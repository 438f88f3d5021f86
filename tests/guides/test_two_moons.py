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
from statistics_of import agree


def test_the_evidence_by_quadrature_is_that_by_importance_sampling() -> None:
    torch.manual_seed(0)
    wide = Normal(torch.zeros(2), 2.0).to_event(1)
    z = wide.sample(torch.Size([200_000]))
    log_w = log_density(TwoMoons(), "model", z) - wide.log_prob(z) - log_evidence()
    agree(log_w.exp()[:, None], torch.ones(1))
    assert abs(log_evidence() - log_evidence(step=0.05)) < 1e-5


@pytest.mark.slow
def test_flows_come_closer_than_mean_field() -> None:
    """Mean field is left with more than log 2, for it holds one moon; the others hold both."""
    names = ["mean field", "planar, 16 maps", "Sylvester, 8 maps", "autoregressive, 8 maps"]
    runs: dict[str, Learned] = {name: learn(FAMILIES[name], 3000, seed=0) for name in names}
    mean_field, planar, sylvester, autoregressive = runs.values()
    assert math.log(2) + 0.1 < mean_field.gap < math.log(2) + 0.3
    assert 0 < planar.gap < 0.1
    for run in (sylvester, autoregressive):
        assert 0 < run.gap < planar.gap - 2 * math.hypot(run.error, planar.error)
    for run in (planar, sylvester, autoregressive):
        log_q = log_density(run.program, "guide", square(8.0, 0.05))
        assert abs(float(log_q.exp().sum()) * 0.05**2 - 1) < 5e-3
