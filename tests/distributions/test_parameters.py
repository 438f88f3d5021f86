"""A distribution's parameters can be taken out, moved and put back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pyro.distributions import (
    Binomial,
    Categorical,
    Dirichlet,
    Gamma,
    LogNormal,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
)
from pyro.distributions.transforms import Planar
from torch.distributions import AffineTransform, ExpTransform

from dgmppl.distributions import VonMisesFisher
from dgmppl.distributions.parameters import all_free, free_parameters, moved
from dgmppl.guides.diagonal_mixture import DiagonalMixture

ZERO = torch.zeros(()).double()
PAIR = torch.tensor([0.5, 2.0]).double()


def test_a_parameter_that_cannot_move_stays() -> None:
    fn = Binomial(torch.tensor(5.0), logits=torch.tensor(0.5))
    assert list(free_parameters(fn)) == ["logits"] and not all_free(fn)
    assert moved(fn, {"logits": torch.tensor(1.0)}).total_count == 5


def test_the_parameters_of_a_flow_are_not_its_base_only() -> None:
    base = Normal(ZERO.expand(2), 1.0).to_event(1)
    assert all_free(TransformedDistribution(base, [ExpTransform(), AffineTransform(0.0, 2.0)]))
    flow = TransformedDistribution(base, [ExpTransform(), Planar(2).double()])
    assert not all_free(flow) and list(free_parameters(flow)) == ["loc", "scale"]
    assert not all_free(TransformedDistribution(flow, [ExpTransform()]).to_event(0))


@pytest.mark.parametrize(
    "fn",
    [
        Normal(ZERO.expand(2), 2.0).to_event(1),
        LogNormal(ZERO.expand(2), 2.0),
        Gamma(ZERO + 2, ZERO.expand(3) + 1).mask(torch.tensor([True, False, True])),
        MultivariateNormal(ZERO.expand(2), scale_tril=torch.eye(2).double()),
        LowRankMultivariateNormal(ZERO.expand(2), PAIR[:, None], PAIR),
        Dirichlet(ZERO.expand(3) + 0.7),
        VonMisesFisher(torch.eye(3).double()[0], ZERO + 2),
        Categorical(probs=torch.tensor([0.2, 0.8]).double()),
        DiagonalMixture(ZERO.expand(2), torch.eye(2).double(), torch.ones(2, 2).double()),
    ],
    ids=lambda fn: type(fn).__name__,
)
def test_a_distribution_moved_by_nothing_is_itself(fn: Any) -> None:
    free = free_parameters(fn)
    still = moved(fn, {name: torch.zeros_like(value) for name, value in free.items()})
    value = fn.sample()
    assert torch.allclose(still.log_prob(value), fn.log_prob(value))
    assert still.batch_shape == fn.batch_shape and still.event_shape == fn.event_shape
    away = moved(fn, {name: torch.randn_like(value) for name, value in free.items()})
    assert free and not torch.allclose(away.log_prob(value), fn.log_prob(value))
