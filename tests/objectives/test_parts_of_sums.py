"""Mutual information and expected likelihoods: what is made to be added to a game."""

from __future__ import annotations

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Bernoulli, Laplace, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import (
    Adversarial,
    ExpectedLikelihood,
    MaximumLikelihood,
    MutualInformation,
    Objective,
    ObjectiveError,
    Progress,
)

NUMBER, REPEATS = 5000, 40


class Channel(dgmppl.Program):
    """A fair coin c sent as ±a, with noise; the guide knows its posterior up to a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.8))
        self.factor = nn.Parameter(torch.tensor(factor))
        self.critic = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            c = pyro.sample("c", Bernoulli(torch.tensor(0.5)))
            noise = pyro.sample("noise", Normal(torch.tensor(0.0), 1.0))
            sent = self.a * (2 * c - 1) + noise
            return dgmppl.implicit("x", sent[..., None], obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            logits = 2 * self.factor * self.a.detach() * x.squeeze(-1)
            return pyro.sample("c", Bernoulli(logits=logits))


def information(a: float) -> float:
    """I(c; x) by quadrature: the entropy of the mixture less that of the noise."""
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    p = sum(
        Normal(torch.tensor(m, dtype=torch.float64), 1.0).log_prob(x).exp() / 2 for m in (a, -a)
    )
    noise = 0.5 * (1 + torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64)))
    return float(-torch.trapezoid(torch.special.xlogy(p, p), x) - noise)


def estimates(program: Channel) -> tuple[Tensor, Tensor]:
    """Values of the bound, and slopes by a: mean and standard error of each."""
    torch.manual_seed(0)
    x = torch.zeros(NUMBER, 1)
    binding = bind(program, x)
    values, slopes = [], []
    for _ in range(REPEATS):
        loss = MutualInformation("c").loss(binding, x, Progress())
        assert loss.value is not None
        values.append(loss.value)
        slopes.append(torch.autograd.grad(-loss.surrogate, program.a)[0])
    both = torch.stack([torch.stack(values), torch.stack(slopes)])
    return both.mean(1), both.std(1) / REPEATS**0.5


def test_information_and_its_slope_are_exact_where_the_guide_is() -> None:
    mean, error = estimates(Channel())
    slope = (information(0.8 + 1e-4) - information(0.8 - 1e-4)) / 2e-4
    exact = torch.tensor([information(0.8), slope])
    assert ((mean - exact).abs() < 4 * error).all()
    assert (error < 0.01).all()


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_another_guide_is_below(factor: float) -> None:
    mean, error = estimates(Channel(factor))
    assert mean[0] + 4 * error[0] < information(0.8)


def test_model_and_guide_move_by_it_and_the_critic_does_not() -> None:
    program, x = Channel(), torch.zeros(8, 1)
    (phase,) = MutualInformation("c").phases(bind(program, x))
    assert phase.roles == ("model", "guide")
    phases = (Adversarial("x") + MutualInformation("c")).phases(bind(program, x))
    assert [set(phase.roles) for phase in phases] == [{"critic"}, {"model", "guide"}]


class Near(dgmppl.Program):
    """An implicit site, and a likelihood around it."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self.loc, self.discrete = nn.Parameter(torch.zeros(2)), discrete

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            if self.discrete:
                pyro.sample("c", Bernoulli(self.loc.sigmoid()).to_event(1))
            drawn = self.loc + pyro.sample("z", Normal(torch.zeros(2), 0.1).to_event(1))
            pyro.sample("near", Laplace(drawn, 1.0).to_event(1), obs=x)
            return dgmppl.implicit("x", drawn, obs=x)


class Plain(dgmppl.Program):
    """A density that can be maximised by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(2))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Normal(self.loc, 1.0).to_event(1), obs=x)


def test_without_latents_it_is_the_likelihood() -> None:
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    binding = bind(Plain(), x)
    value = ExpectedLikelihood("x").value(binding, x, Progress())
    assert torch.allclose(value, MaximumLikelihood().value(binding, x, Progress()))


def test_with_latents_it_is_below_the_evidence() -> None:
    """Exactly: E_p(z) log p(x|z), a quadratic in z ~ N(0, I)."""
    program, x = LinearGaussian(), data(5)
    binding = bind(program, x)
    torch.manual_seed(0)
    values = torch.stack(
        [ExpectedLikelihood("x").value(binding, x, Progress()) for _ in range(4000)]
    )
    inner: LinearGaussian = LinearGaussian()
    spread = inner.W.square().sum() / inner.sigma**2 / 2
    at_mean = Normal(inner.b, inner.sigma).log_prob(x).sum(-1).mean()
    exact = float((at_mean - spread).detach())
    error = float(values.std() / len(values) ** 0.5)
    assert abs(float(values.mean()) - exact) < 4 * error
    assert exact < float(inner.log_evidence(x).mean().detach())


def test_it_scores_beside_implicit_sites() -> None:
    x = torch.zeros(4, 2)
    binding = bind(Near(), x)
    ExpectedLikelihood("near").check(binding)
    (phase,) = ExpectedLikelihood("near").phases(binding)
    assert phase.roles == ("model",)


REFUSALS: list[tuple[dgmppl.Program, Objective, str]] = [
    (Near(), ExpectedLikelihood("x"), "'x' is none"),
    (Near(), ExpectedLikelihood("y"), "'y' is none"),
    (Near(discrete=True), ExpectedLikelihood("near"), "'c'"),
    (Near(), MutualInformation("z"), "draws site 'z'"),
]


@pytest.mark.parametrize(("program", "objective", "reason"), REFUSALS)
def test_refusals(program: dgmppl.Program, objective: Objective, reason: str) -> None:
    with pytest.raises(ObjectiveError, match=reason):
        objective.check(bind(program, torch.zeros(4, 2)))
