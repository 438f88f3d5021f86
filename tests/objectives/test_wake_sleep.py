"""Wake–sleep: each player's gradient against enumeration, and what both learn together."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from enumerable import Switch, data
from pyro.distributions import Normal
from statistics_of import agree, exact_gradient
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import (
    ELBO,
    IWAE,
    Objective,
    ObjectiveError,
    Progress,
    ReweightedWakeSleep,
    WakeSleep,
)


def moves(objective: Objective, program: Switch, x: Tensor, phase: int, rounds: int) -> Tensor:
    """Independent gradients of one phase by all parameters, `[rounds, P]`."""
    binding = bind(program, x)
    loss = objective.phases(binding)[phase].loss
    rows = []
    for _ in range(rounds):
        surrogate = -loss(binding, x, Progress()).surrogate
        rows.append(exact_gradient(surrogate, program))
    return torch.stack(rows)


MODEL, GUIDE = slice(0, 3), slice(3, 5)


def test_the_wake_gradient_of_the_model_is_by_enumeration() -> None:
    program, x = Switch(), data()
    probability = program.log_guide(x).exp().detach()
    truth = exact_gradient((probability * program.log_joint(x)).sum(0).mean(), program)
    drawn = moves(WakeSleep(), program, x.repeat(30), 0, 300)
    agree(drawn[:, MODEL], truth[MODEL])


def test_the_sleep_gradient_of_the_guide_is_by_quadrature() -> None:
    program, x = Switch(), data()
    nodes, weight = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(60))
    weight = weight / weight.sum()
    prior = torch.sigmoid(program.logit)
    expected = sum(
        share * (weight * program.log_guide(nodes + program.loc[h])[h]).sum()
        for h, share in ((0, 1 - prior.detach()), (1, prior.detach()))
    )
    expected_model_free = exact_gradient(expected, program)[GUIDE]
    drawn = moves(WakeSleep(), program, x.repeat(30), 1, 300)
    agree(drawn[:, GUIDE], expected_model_free)
    assert drawn[:, MODEL].abs().max() == 0, "sleep moves the guide alone"


def test_many_weighted_draws_stand_for_the_posterior() -> None:
    program, x = Switch(), data()
    joint = program.log_joint(x)
    posterior = torch.softmax(joint, 0).detach()
    model = exact_gradient(torch.logsumexp(joint, 0).mean(), program)
    guide = exact_gradient((posterior * program.log_guide(x)).sum(0).mean(), program)
    drawn = moves(ReweightedWakeSleep(num_particles=2000), program, x, 0, 200)
    agree(drawn[:, MODEL], model[MODEL], errors=5)
    agree(drawn[:, GUIDE], guide[GUIDE], errors=5)


def test_the_models_gradient_is_that_of_the_importance_weighted_bound() -> None:
    program, x = Switch(), data()
    truth = exact_gradient(program.importance_bound(x).mean(), program)
    drawn = moves(ReweightedWakeSleep(num_particles=2), program, x.repeat(30), 0, 300)
    agree(drawn[:, MODEL], truth[MODEL])


def test_the_value_is_the_bound() -> None:
    binding, x = bind(Switch(), data()), data()
    for objective, bound in (
        (WakeSleep(), ELBO(analytic_kl=False)),
        (ReweightedWakeSleep(num_particles=4), IWAE(num_particles=4)),
    ):
        values = []
        for each in (objective, bound):
            torch.manual_seed(0)
            values.append(each.value(binding, x, Progress()))
        assert torch.allclose(*values)


@pytest.mark.parametrize(
    "objective",
    [WakeSleep(), ReweightedWakeSleep(), ReweightedWakeSleep(guide_wakes=False, guide_sleeps=True)],
    ids=repr,
)
def test_both_learn(objective: Objective) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        truth = Switch()
        truth.loc.copy_(torch.tensor([-2.0, 2.0]))
        x = truth.model(n=400)
    program = Switch()
    before = float(dgmppl.evidence(program, x).mean)
    adam = {"optimizer": lambda p: torch.optim.Adam(p, lr=0.03)}
    dgmppl.fit(program, x, objective, epochs=60, batch_size=100, progress=False, **adam)
    exact = dgmppl.evidence(program, x).mean
    assert exact > before + 0.1
    assert exact - float(program.elbo(x).mean().detach()) < 0.02, (
        "the guide's family holds the posterior"
    )


def test_conditions_stay_awake_in_dreams() -> None:
    from dgmppl.objectives.dreams import dream

    class Conditional(dgmppl.Program):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1.0))

        def model(self, x: dict[str, Tensor], n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                z = pyro.sample("z", Normal(0.0, 1.0))
                pyro.sample("y", Normal(z + 100 * x["shift"], 0.1), obs=x["y"])

        def guide(self, x: dict[str, Tensor]) -> None:
            with dgmppl.data_plate(x):
                pyro.sample("z", Normal(self.gain * (x["y"] - 100 * x["shift"]), 0.1))

    x = {"shift": torch.arange(5.0), "y": torch.zeros(5)}
    dreamt = dream(bind(Conditional(), x), x)
    assert torch.equal(dreamt.x["shift"], x["shift"])
    assert ((dreamt.x["y"] - 100 * x["shift"]).abs() < 10).all()
    assert torch.allclose(dreamt.x["y"] - 100 * x["shift"], dreamt.latents["z"], atol=1.0)


def test_what_it_cannot_serve_is_refused() -> None:
    def model(x: Tensor) -> None:
        mean = pyro.sample("mean", Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(mean, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("mean", Normal(0.0, 1.0))

    for objective in (WakeSleep(), ReweightedWakeSleep()):
        with pytest.raises(ObjectiveError, match="'mean' has one value for all data"):
            objective.check(bind(dgmppl.Pair(model, guide), torch.zeros(3)))
        with pytest.raises(ObjectiveError, match="needs latent sites and a guide"):
            objective.check(bind(dgmppl.Pair(lambda x: pyro.sample("x", Normal(0, 1), obs=x)), x0))
    with pytest.raises(ValueError, match="guide_sleeps"):
        ReweightedWakeSleep(guide_wakes=False)


x0 = torch.tensor(0.0)
