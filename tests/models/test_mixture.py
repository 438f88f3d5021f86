"""Expectation maximisation, enumeration and the gradient climb one likelihood."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import dgmppl
from dgmppl.data import load
from dgmppl.models.mixture import MarginalMixture, Mixture
from dgmppl.objectives import (
    ExpectationMaximization,
    MaximumLikelihood,
    Objective,
    ObjectiveError,
)

ADAM = partial(torch.optim.Adam, lr=0.05)


COMPONENT = torch.tensor([0, 0, 0, 1, 1, 2]).repeat(40)


def separated() -> Tensor:
    """Three Gaussians in the plane, twenty standard deviations apart and of unequal shares."""
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]).double()
    return centres[COMPONENT] + 0.25 * torch.randn(len(COMPONENT), 2).double()


def started(kind: type[Mixture] = Mixture) -> Mixture:
    """The same start for every kind, in double precision."""
    program = kind(2, 3).double()
    with torch.no_grad():
        program.loc.copy_(torch.tensor([[1.0, 1.0], [4.0, 1.0], [1.0, 4.0]]))
    return program


def learn(program: Mixture, x: Tensor, objective: Objective, epochs: int) -> list[float]:
    """Log-likelihood a datum before each step on all data, and after the last one."""
    run = dgmppl.fit(
        program, x, objective, optimizer=ADAM, epochs=epochs, batch_size=None, progress=False
    )
    return [row["value"] for row in run.history.epochs] + [dgmppl.evidence(program, x).mean]


def test_expectation_maximisation_enumeration_and_gradient_agree() -> None:
    x = separated()
    by_em = learn(started(), x, ExpectationMaximization(), 30)
    by_enumeration = learn(started(), x, MaximumLikelihood(), 300)
    directly = learn(started(MarginalMixture), x, MaximumLikelihood(), 300)
    assert by_em[0] == pytest.approx(by_enumeration[0], abs=1e-12)
    assert by_em[-1] == pytest.approx(by_enumeration[-1], abs=1e-4)
    assert by_enumeration == pytest.approx(directly, abs=1e-9)


def test_the_maximum_is_that_of_each_component_alone() -> None:
    """Where components do not overlap, each is the share, mean and deviation of its own data."""
    x, program = separated(), started()
    learn(program, x, ExpectationMaximization(), 30)
    shares = torch.tensor([3, 2, 1]).double() / 6
    torch.testing.assert_close(program.logits.softmax(0), shares, atol=1e-4, rtol=0)
    for component in range(3):
        own = x[component == COMPONENT]
        torch.testing.assert_close(program.loc[component], own.mean(0), atol=1e-4, rtol=0)
        own_scale = own.std(0, unbiased=False)
        torch.testing.assert_close(program.scale[component], own_scale, atol=1e-4, rtol=0)


@pytest.mark.parametrize("num_components", [2, 8, 20])
@pytest.mark.parametrize("name", ["ring", "moons"])
def test_expectation_maximisation_never_falls(name: str, num_components: int) -> None:
    x = load(name, n=300).values.double()
    values = torch.tensor(
        learn(Mixture(2, num_components).double(), x, ExpectationMaximization(), 40)
    )
    assert bool((values.diff() > -1e-7).all())
    assert values[-1] > values[0] + 0.1


def test_a_component_on_one_datum_stays_above_the_floor() -> None:
    """The likelihood of a Gaussian that shrinks onto one datum is infinite; the floor stops it."""
    x = torch.tensor([[0.0, 0.0], [0.1, 0.1], [-0.1, 0.0], [9.0, 9.0]]).double()
    program = Mixture(2, 2, floor=0.01).double()
    with torch.no_grad():
        program.loc.copy_(torch.tensor([[0.0, 0.0], [9.0, 9.0]]))
    values = torch.tensor(learn(program, x, ExpectationMaximization(), 20))
    assert bool(torch.isfinite(values).all()) and bool((values.diff() > -1e-7).all())
    torch.testing.assert_close(program.scale[1], torch.full((2,), 0.01).double(), atol=1e-4, rtol=0)
    assert bool((program.scale > 0.01).all())


def test_a_component_without_data_keeps_its_place() -> None:
    x, program = separated(), started()
    place, scale = program.loc[2].clone(), program.scale[2].clone()
    posterior = torch.zeros(len(x), 3).double()
    posterior[:, 0] = 1.0
    program.maximize(x, {"z": posterior})
    assert torch.equal(program.loc[2], place) and torch.equal(program.scale[2], scale)
    assert program.logits.softmax(0)[2].item() == pytest.approx(1e-8, rel=1e-6)
    torch.testing.assert_close(program.loc[0], x.mean(0))


@pytest.mark.parametrize("kind", [Mixture, MarginalMixture])
@pytest.mark.parametrize("num_components", [2, 5])
def test_the_density_sums_to_one(kind: type[Mixture], num_components: int) -> None:
    grid = torch.linspace(-12, 12, 4001).double()
    density = dgmppl.evidence(kind(1, num_components).double(), grid[:, None])
    assert density.kind == "exact" and density.value is not None
    assert float(torch.trapezoid(density.value.exp(), grid)) == pytest.approx(1.0, abs=1e-6)


def test_two_components_are_a_bernoulli_latent() -> None:
    program, x = Mixture(1, 2).double(), torch.randn(6, 1).double()
    with torch.no_grad():
        program.logits.copy_(torch.tensor([0.2, -0.7]))
    assert dgmppl.bind(program, x).sites["z"].distribution == "Bernoulli"
    share = torch.sigmoid(program.logits[1] - program.logits[0])
    each = Normal(program.loc.T, program.scale.T).log_prob(x).exp()
    expected = ((1 - share) * each[:, 0] + share * each[:, 1]).log()
    torch.testing.assert_close(dgmppl.evidence(program, x).value, expected.detach())


def test_without_a_latent_there_is_no_expectation() -> None:
    program = MarginalMixture(2, 3)
    with pytest.raises(ObjectiveError, match="latent"):
        ExpectationMaximization().check(dgmppl.bind(program, torch.zeros(4, 2)))


def test_draws_have_the_mixtures_mean() -> None:
    for kind in (Mixture, MarginalMixture):
        program = kind(1, 3)
        with torch.no_grad():
            program.logits.copy_(torch.tensor([0.1, 0.2, 0.7]).log())
            drawn = program.model(n=20_000)
        mean = float((program.logits.softmax(0) @ program.loc).detach())
        error = float(drawn.std()) / len(drawn) ** 0.5
        assert float(drawn.mean()) == pytest.approx(mean, abs=4 * error)
