"""The players of an adversarial game, who keep to themselves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal, RelaxedBernoulliStraightThrough
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import GradientPenalty, JensenShannon, Wasserstein, two_traces
from dgmppl.inference.player import Player
from dgmppl.lowering import Plain
from dgmppl.objectives import ELBO, Adversarial, ObjectiveError, Progress

X = torch.randn(24, 2, generator=torch.Generator().manual_seed(0)) + 1.0
PROGRESS = Progress(size=24)


def net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs))


class GAN(dgmppl.Program):
    """A generator and a critic, both with running statistics."""

    def __init__(self, packing: int = 1) -> None:
        super().__init__()
        self.generator = net(3, 2)
        self.critic = nn.Sequential(net(2 * packing, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(z), obs=x)


class ALI(GAN):
    """A guide beside it, and a critic of both sites as a method."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.judge = net(2, 3), net(5, 1)
        del self.critic

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", Normal(self.encoder(x), 0.1).to_event(1))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        return self.judge(torch.cat([x, z], -1)).squeeze(-1)


def moved_by(program: nn.Module, objective: Adversarial, x: Any = X) -> list[set[str]]:
    """Which parameters and buffers each phase changes, one move after the other."""
    binding = dgmppl.bind(program, x)
    objective.check(binding)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = objective.state(binding, x)
    progress = Progress(size=len(x), state=state)
    found = []
    for phase in objective.phases(binding):
        player = Player(phase, binding, partial(torch.optim.SGD, lr=0.1), None, None, scaler, state)
        before = {name: value.clone() for name, value in program.state_dict().items()}
        player.move(player.estimate(x, progress))
        after = program.state_dict()
        found.append(
            {name for name, value in before.items() if not torch.equal(value, after[name])}
        )
        assert all(parameter.grad is None for parameter in program.parameters())
    return found


def within(names: set[str], *prefixes: str) -> bool:
    return bool(names) and all(name.startswith(prefixes) for name in names)


@pytest.mark.parametrize("steps", [0, 3])
def test_no_player_touches_what_is_anothers(steps: int) -> None:
    """Neither parameters nor running statistics, also where the critic is thought ahead."""
    critic, model = moved_by(GAN(), Adversarial("x", unrolled=steps))
    assert within(critic, "critic.") and within(model, "generator.")
    assert any("running_mean" in name for name in critic & {n for n in critic if "running" in n})
    assert any("running_mean" in name for name in model)
    critic, both = moved_by(ALI(), Adversarial(("x", "z")))
    assert within(critic, "judge.") and within(both, "generator.", "encoder.")


class Shared(ALI):
    """The guide reads features of the critic's first layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 4), nn.Linear(4 + 3, 1)
        self.encoder = nn.Linear(4, 3)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", Normal(self.encoder(self.body(x)), 0.1).to_event(1))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(torch.cat([self.body(x), z], -1)).squeeze(-1)

    def roles(self) -> dict[str, list[str]]:
        own = [name for name, _ in self.named_parameters() if name.startswith("encoder")]
        return {"guide": own}


def test_what_is_shared_belongs_to_whom_the_program_says() -> None:
    critic, both = moved_by(Shared(), Adversarial(("x", "z")))
    assert within(critic, "body.", "head.") and within(both, "generator.", "encoder.")


def gradients(program: nn.Module, objective: Adversarial, phase: int) -> dict[str, Tensor]:
    binding = dgmppl.bind(program, X)
    torch.manual_seed(1)
    player = objective.phases(binding)[phase]
    loss = player.loss(binding, X, PROGRESS).surrogate
    own = binding.parameters(player.roles)
    found = torch.autograd.grad(loss, [*own.values()], allow_unused=True)
    return {n: g for n, g in zip(own, found, strict=True) if g is not None}


def test_gradients_are_those_of_the_game_by_hand() -> None:
    program = GAN()
    program.train()
    critic = gradients(program, Adversarial("x", JensenShannon()), 0)
    model = gradients(program, Adversarial("x", JensenShannon()), 1)
    torch.manual_seed(1)
    drawn = program.generator(torch.randn(24, 3))
    gain = nn.functional.logsigmoid(program.critic(X)).mean()
    gain = gain + nn.functional.logsigmoid(-program.critic(drawn.detach())).mean()
    for name, value in critic.items():
        expected = torch.autograd.grad(-gain, program.get_parameter(name), retain_graph=True)[0]
        torch.testing.assert_close(value, expected)
    lost = nn.functional.logsigmoid(-program.critic(drawn)).mean()
    for name, value in model.items():
        expected = torch.autograd.grad(lost, program.get_parameter(name), retain_graph=True)[0]
        torch.testing.assert_close(value, expected)


class Scalars(dgmppl.Program):
    """x = θ + z and T(x) = ψ x: a game whose steps can be written out."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.psi = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros((), dtype=torch.float64), 1.0))
            return dgmppl.implicit("x", self.theta + z, obs=x, event_dim=0)

    def critic(self, x: Tensor) -> Tensor:
        return self.psi * x


def test_unrolled_steps_are_differentiated_through() -> None:
    """W: ψ_k = ψ + k η g/|g|, g = m − θ − z̄, loss −ψ_k (θ + z̄): slope −ψ_k + k η (θ + z̄)/|g|."""
    program, x = Scalars(), X[:, 0].double()
    rate, steps = 0.1, 4
    objective = Adversarial(
        "x", Wasserstein(), regularizer=GradientPenalty(), unrolled=steps, unrolled_rate=rate
    )
    binding = dgmppl.bind(program, x)
    torch.manual_seed(1)
    loss = objective.phases(binding)[1].loss(binding, x, PROGRESS).surrogate
    slope = torch.autograd.grad(loss, program.theta)[0]
    torch.manual_seed(1)
    drawn = program.theta.item() + torch.randn(24, dtype=torch.float64).mean().item()
    gain = x.mean().item() - drawn
    ahead = program.psi.item() + steps * rate * gain / abs(gain)
    assert loss.item() == pytest.approx(-ahead * drawn)
    assert slope.item() == pytest.approx(-ahead + steps * rate * drawn / abs(gain))


def test_packs_are_draws_side_by_side() -> None:
    seen: list[Tensor] = []
    program = GAN(packing=3)
    program.critic.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    binding = dgmppl.bind(program, X)
    objective = Adversarial("x", packing=3)
    objective.phases(binding)[0].loss(binding, X[:23], PROGRESS)
    assert torch.equal(seen[0], X[:21].reshape(7, 6))
    with pytest.raises(ObjectiveError, match="at least packing=3"):
        objective.phases(binding)[0].loss(binding, X[:2], PROGRESS)


class Conditional(GAN):
    """A condition that both traces hold."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.judge = net(5, 2), net(4, 1)
        del self.critic

    def model(self, x: Any = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            given = pyro.deterministic("given", x["given"], event_dim=1)
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(torch.cat([z, given], -1)), obs=x["x"])

    def critic(self, x: Tensor, given: Tensor) -> Tensor:
        return self.judge(torch.cat([x, given], -1)).squeeze(-1)


def test_conditions_are_the_same_in_both_traces() -> None:
    x = {"x": X, "given": X.flip(1)}
    binding = dgmppl.bind(Conditional(), x)
    traces = two_traces(binding, x, ("x", "given"))
    assert torch.equal(traces.data[0], X) and not torch.equal(traces.draws[0], X)
    assert torch.equal(traces.data[1], x["given"]) and torch.equal(traces.draws[1], x["given"])
    critic, model = moved_by(Conditional(), Adversarial(("x", "given")), x)
    assert within(critic, "judge.") and within(model, "generator.")


def test_traces_keep_gradients_where_they_are_wanted() -> None:
    binding = dgmppl.bind(ALI(), X)
    traces = two_traces(binding, X, ("x", "z"))
    assert traces.draws[0].requires_grad and traces.data[1].requires_grad
    assert not traces.draws[1].requires_grad and not traces.data[0].requires_grad
    still = two_traces(binding, X, ("x", "z"), moving=False)
    assert not any(value.requires_grad for value in (*still.data, *still.draws))


def counts(run: dgmppl.inference.Run) -> dict[str, int]:
    phases = [row["phase"] for row in run.history.steps]
    return {name: phases.count(name) for name in phases}


def learn(epochs: int, **settings: Any) -> dgmppl.inference.Run:
    torch.manual_seed(0)
    objective = Adversarial("x", Wasserstein(), regularizer=GradientPenalty(), critic_steps=5)
    settings = {"batch_size": 8, "device": "cpu", "progress": False} | settings
    return dgmppl.fit(GAN(), X, objective, epochs=epochs, **settings)


def test_the_critic_moves_more_often() -> None:
    """12 batches of 8: twelve moves of the critic, two of the model."""
    assert counts(learn(4)) == {"critic": 12, "model": 2}


def test_a_run_goes_on_in_the_middle_of_the_critics_steps(tmp_path: Path) -> None:
    whole = learn(6)
    learn(2, directory=tmp_path / "run")  # six steps: one into the second cycle
    rest = learn(6, directory=tmp_path / "run", resume=True)
    assert counts(rest) == counts(whole)
    for name, value in whole.program.state_dict().items():
        assert torch.equal(value, rest.program.state_dict()[name]), name


@pytest.mark.parametrize("unrolled", [0, 2])
def test_graphs_learn_the_same_bits(unrolled: int) -> None:
    programs = []
    for compile in (False, Plain()):
        torch.manual_seed(0)
        objective = Adversarial("x", JensenShannon(), GradientPenalty(), unrolled=unrolled)
        settings: dict[str, Any] = {"batch_size": 8, "device": "cpu", "progress": False}
        programs.append(dgmppl.fit(GAN(), X, objective, epochs=3, compile=compile, **settings))
    assert len(programs[1].notes) == 2
    for name, value in programs[0].program.state_dict().items():
        assert torch.equal(value, programs[1].program.state_dict()[name]), name


class Binary(GAN):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            return pyro.sample("x", self.pixels(self.generator(z)).to_event(1), obs=x)

    def pixels(self, logits: Tensor) -> Any:
        return Bernoulli(logits=logits)


class Relaxed(Binary):
    def pixels(self, logits: Tensor) -> Any:
        return RelaxedBernoulliStraightThrough(torch.tensor(0.5), logits=logits)


class NoCritic(GAN):
    def __init__(self) -> None:
        super().__init__()
        del self.critic


class Global(GAN):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        shared = pyro.sample("shared", Normal(torch.zeros(2), 1.0).to_event(1))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(z) + shared, obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.sample("shared", Normal(torch.zeros(2), 1.0).to_event(1))
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))


@pytest.mark.parametrize(
    ("program", "objective", "words"),
    [
        (Binary, Adversarial("x"), "gradient through the draws of site 'x'.*Try RelaxedBernoulli"),
        (GAN, Adversarial("y"), "has \\['z', 'x'\\], not 'y'"),
        (GAN, Adversarial(("x", "z")), "values of site 'z' beside the data.*Try a guide"),
        (NoCritic, Adversarial("x"), "no 'critic'.*Try self.critic"),
        (GAN, Adversarial("x", critic="critic_x"), "no 'critic_x'"),
        (GAN, Adversarial("x", Wasserstein()), "bounded slope.*Try.*GradientPenalty"),
        (Global, Adversarial("shared"), "one value for all"),
        (GAN, ELBO(), "implicit"),
    ],
)
def test_what_cannot_be_played_is_refused_before_a_step(
    program: Any, objective: Any, words: str
) -> None:
    x = (X > 1).float() if program is Binary else X
    with pytest.raises(ObjectiveError, match=words):
        dgmppl.fit(program(), x, objective, epochs=1, device="cpu", progress=False)


def test_relaxed_draws_serve() -> None:
    """What the refusal of a Bernoulli proposes."""
    x = (X > 1).float()
    critic, model = moved_by(Relaxed(), Adversarial("x"), x)
    assert within(critic, "critic.") and within(model, "generator.")


def test_a_critic_of_the_wrong_shape_is_told() -> None:
    program = GAN()
    program.critic = net(2, 1)[:1]
    program.critic.append(nn.Flatten(0))
    with pytest.raises(ObjectiveError, match="one number a datum from 'critic'"):
        moved_by(program, Adversarial("x"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"critic_steps": 0}, "critic_steps of at least 1"),
        ({"packing": 0}, "packing of at least 1"),
        ({"unrolled": -1}, "unrolled of at least 0"),
        ({"critic": "judge"}, "begins with 'critic'"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Adversarial("x", **settings)
