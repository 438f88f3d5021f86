"""A critic's ratio in a bound: exact where the critic is, refused where it cannot be learned."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn
from torch.distributions import kl_divergence

import dgmppl
from dgmppl.binding import bind
from dgmppl.inference.player import Player
from dgmppl.objectives import (
    ELBO,
    IWAE,
    AdaptiveContrast,
    Objective,
    ObjectiveError,
    Progress,
    Ratio,
    StickingTheLanding,
    WakeSleep,
)

X = data(6)
NOISE: Any = {"is_auxiliary": True}


class BestCritic(LinearGaussian):
    """A critic that says log q(z|x) − log p(z), the guide's parameters held fixed."""

    def __init__(self, wrong: float = 1.0) -> None:
        super().__init__(wrong)
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        loc = x @ self.gain.detach().T + self.offset.detach()
        q = Normal(loc, self.log_scale.detach().exp()).log_prob(z)
        return self.factor * (q - Normal(0.0, 1.0).log_prob(z)).sum(-1)


class Silent(BestCritic):
    """The same guide as a function of noise, and a critic that finds no difference."""

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            normal = Normal(x.new_zeros(2), 1.0).to_event(1)
            noise = pyro.sample("noise", normal, infer=NOISE)
            loc = x @ self.gain.T + self.offset
            return dgmppl.implicit("z", loc + self.log_scale.exp() * noise)

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        return 0.0 * super().critic(x, z)


@pytest.mark.parametrize("particles", [1, 5])
def test_with_the_best_critic_it_is_the_bound_and_its_gradient(particles: int) -> None:
    program = BestCritic()
    binding = bind(program, X)
    parameters = [*binding.parameters(("model", "guide")).values()]

    def found(objective: ELBO) -> tuple[Tensor, tuple[Tensor, ...]]:
        torch.manual_seed(0)
        loss = objective.loss(binding, X, Progress())
        assert loss.value is not None
        return loss.value, torch.autograd.grad(loss.surrogate, parameters)

    value, slopes = found(ELBO(particles, ratio=Ratio("z", given="x")))
    exact, expected = found(ELBO(particles, gradient=StickingTheLanding(), analytic_kl=False))
    assert torch.allclose(value, exact)
    assert all(torch.allclose(a, b) for a, b in zip(slopes, expected, strict=True))


@pytest.mark.parametrize("number", [16, 64])
def test_the_contrast_leaves_to_the_critic_what_the_guide_differs_by(number: int) -> None:
    """With a critic that says 0, the value is the bound and KL(q ‖ r), of Gaussians both."""
    program, x = Silent(), X[:1].expand(200_000, 3)
    binding = bind(program, x)
    contrast = AdaptiveContrast(number)
    torch.manual_seed(0)
    value = ELBO(ratio=Ratio("z", given="x", contrast=contrast)).value(binding, x, Progress())
    explicit = LinearGaussian(1.0)
    bound = ELBO().value(bind(explicit, x), x, Progress())
    near = contrast.moments(binding, x[:1], ["z"])["z"]
    q = Normal(x[:1] @ program.gain.T + program.offset, program.log_scale.exp())
    excess = kl_divergence(q, Normal(near.loc, near.scale)).sum()
    assert torch.allclose(value, bound + excess, atol=0.03)
    assert torch.allclose(near.loc, q.loc, atol=0.2)
    assert torch.allclose(near.scale, q.scale, rtol=0.3)


def test_the_contrast_is_a_function_of_the_datum() -> None:
    """Random moments would blur what the critic sees."""
    program, contrast = Silent(), AdaptiveContrast(8)
    first, again = (contrast.moments(bind(program, x), x, ["z"])["z"] for x in (X, X.flip(0)))
    assert torch.allclose(first.loc, again.loc.flip(0))
    assert torch.allclose(first.scale, again.scale.flip(0))


class Joint(dgmppl.Program):
    """p(x|z) = N(a z + b, 0.5²) and q(z|x) = N(0.6 x, 0.7²); the critic knows both densities."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(0.8)), nn.Parameter(torch.tensor(0.3))
        self.factor = nn.Parameter(torch.tensor(1.0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(1), 1.0).to_event(1))
            return pyro.sample("x", self.likelihood(z).to_event(1), obs=x)

    def likelihood(self, z: Tensor) -> Normal:
        return Normal(self.a * z + self.b, 0.5)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", Normal(0.6 * x, 0.7).to_event(1))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        """log q(x, z) − log p(x, z), where the data are N(0, 1)."""
        q = Normal(0.0, 1.0).log_prob(x) + Normal(0.6 * x, 0.7).log_prob(z)
        loc = self.a.detach() * z + self.b.detach()
        p = Normal(0.0, 1.0).log_prob(z) + Normal(loc, 0.5).log_prob(x)
        return self.factor * (q - p).squeeze(-1)


def test_the_models_draws_give_the_gradient_of_the_divergence() -> None:
    program, number, repeats = Joint(), 4000, 60
    objective = ELBO(ratio=Ratio(("x", "z")))
    torch.manual_seed(0)
    own = [program.a, program.b]
    by_draws, by_density = [], []
    for _ in range(repeats):
        x = torch.randn(number, 1)
        loss = objective.loss(bind(program, x), x, Progress()).surrogate
        by_draws.append(torch.stack(torch.autograd.grad(loss, own)))
        z = 0.6 * x + 0.7 * torch.randn_like(x)
        score = -program.likelihood(z).log_prob(x).mean()
        by_density.append(torch.stack(torch.autograd.grad(score, own)))
    difference = torch.stack(by_draws) - torch.stack(by_density)
    error = difference.std(0) / repeats**0.5
    assert (difference.mean(0).abs() < 4 * error).all()
    assert (error < 0.1).all()


class ImplicitGuide(dgmppl.Program):
    """A guide without a density, a critic of pairs, and running statistics in both."""

    def __init__(self, noise_site: bool = True) -> None:
        super().__init__()
        self.noise_site = noise_site
        self.decoder = nn.Linear(2, 3)
        self.encoder = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        self.judge = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return pyro.sample("x", Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            noise = torch.randn(len(x), 2)
            if self.noise_site:
                normal = Normal(torch.zeros(2), 1.0).to_event(1)
                noise = pyro.sample("noise", normal, infer=NOISE)
            pair = torch.cat([x.expand(*noise.shape[:-1], 3), noise], -1)
            z = self.encoder(pair.flatten(0, -2)).unflatten(0, pair.shape[:-1])
            return dgmppl.implicit("z", z)

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        return self.judge(torch.cat([x, z], -1)).squeeze(-1)


Y = X.float()


@pytest.mark.parametrize("contrast", [None, AdaptiveContrast(4)], ids=["prior", "adaptive"])
def test_no_player_touches_another(contrast: AdaptiveContrast | None) -> None:
    program = ImplicitGuide()
    binding = bind(program, Y)
    objective = ELBO(ratio=Ratio("z", given="x", contrast=contrast))
    objective.check(binding)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    moved = []
    for phase in objective.phases(binding):
        player = Player(phase, binding, lambda own: torch.optim.SGD(own, 0.1), None, None, scaler)
        before = {name: value.clone() for name, value in program.state_dict().items()}
        player.move(player.estimate(Y, Progress()))
        after = program.state_dict()
        moved.append({n.split(".")[0] for n, old in before.items() if not old.equal(after[n])})
    assert moved == [{"judge"}, {"decoder", "encoder"}]


def test_an_implicit_guide_learns_the_posterior() -> None:
    """The estimate comes near the exact evidence, and the draws have the posterior's moments."""
    torch.manual_seed(0)
    exact = LinearGaussian()
    x = dgmppl.generate(exact, 1000, seed=1)["x"].float()

    class Learner(ImplicitGuide):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 2))
            self.judge = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 1))
            self.decoder.requires_grad_(False)
            self.decoder.weight.copy_(exact.W.detach())
            self.decoder.bias.copy_(exact.b.detach())

        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
                scale = exact.sigma.detach().float()
                return pyro.sample("x", Normal(self.decoder(z), scale).to_event(1), obs=x)

    with torch.no_grad():
        program = Learner()
    run = dgmppl.fit(
        program,
        x,
        ELBO(ratio=Ratio("z", given="x", contrast=AdaptiveContrast())),
        optimizer=lambda own: torch.optim.Adam(own, 2e-3),
        epochs=50,
        batch_size=100,
        progress=False,
    )
    evidence = float(exact.log_evidence(x.double()).mean().detach())
    assert abs(run.history.epochs[-1]["value"] - evidence) < 0.25
    one = x[:1].expand(4000, 3)
    with torch.no_grad():
        draws = pyro.poutine.trace(run.program.guide).get_trace(one).nodes["z"]["value"]
        loc = (exact.gain @ x[0].double() + exact.offset).float()
    assert torch.allclose(draws.mean(0), loc, atol=0.2)
    assert torch.allclose(draws.std(0), exact.log_scale.detach().exp().float(), rtol=0.3)


class DiscreteGuide(ImplicitGuide):
    """One more latent, without a pathwise gradient."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        pyro.sample("coin", Bernoulli(0.5))
        return super().model(x, n)

    def guide(self, x: Tensor) -> Tensor:
        pyro.sample("coin", Bernoulli(0.5))
        return super().guide(x)


REFUSALS: list[tuple[type[dgmppl.Program], Objective, str]] = [
    (ImplicitGuide, ELBO(), r"guide's density at site 'z'.*Ratio\('z'"),
    (ImplicitGuide, IWAE(num_particles=3), "guide's density at site 'z'"),
    (ImplicitGuide, WakeSleep(), "guide's density at site 'z'"),
    (ImplicitGuide, ELBO(ratio=Ratio("y", given="x")), "not 'y'"),
    (ImplicitGuide, ELBO(ratio=Ratio("z", given="noise")), "'noise' is latent"),
    (ImplicitGuide, ELBO(ratio=Ratio("z", critic="critic_z")), "no 'critic_z'"),
    (
        ImplicitGuide,
        ELBO(ratio=Ratio("x", contrast=AdaptiveContrast())),
        "'x' is not one",
    ),
    (ImplicitGuide, ELBO(8, chunk_size=2, ratio=Ratio("z", given="x")), "chunk_size=None"),
    (
        BestCritic,
        ELBO(ratio=Ratio("z", given="x", contrast=AdaptiveContrast())),
        "has a density in the guide",
    ),
    (DiscreteGuide, ELBO(ratio=Ratio("z", given="x")), "'coin' pass none"),
]


@pytest.mark.parametrize(("program", "objective", "reason"), REFUSALS)
def test_refusals(program: type[dgmppl.Program], objective: Objective, reason: str) -> None:
    made = program()
    x = X if isinstance(made, LinearGaussian) else Y
    with pytest.raises(ObjectiveError, match=reason):
        objective.check(bind(made, x))


@pytest.mark.parametrize(
    "objective",
    [
        ELBO(3, ratio=Ratio("z", given="x")),
        ELBO(ratio=Ratio("z", given="x", contrast=AdaptiveContrast(4))),
    ],
    ids=["particles", "contrast"],
)
def test_noise_that_particles_share_is_refused(objective: ELBO) -> None:
    program = ImplicitGuide(noise_site=False)
    with pytest.raises(ObjectiveError, match="noise of their own"):
        objective.loss(bind(program, Y), Y, Progress())


def test_the_evidence_of_an_implicit_guide_is_unavailable() -> None:
    found = dgmppl.evidence(ImplicitGuide(), Y)
    assert found.kind == "unavailable"
    assert "'z'" in found.reason
