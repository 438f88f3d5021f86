"""Deep belief nets: their bound, and the gradients of wake and sleep, beside sums over states."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli
from torch import Tensor

import dgmppl
from dgmppl.energy import Binary, exact_log_partition, machine_of
from dgmppl.evaluation import Annealing
from dgmppl.models.deep_belief import DeepBelief, recipes, undo
from dgmppl.models.restricted_boltzmann import RBM
from dgmppl.objectives import ELBO, ContrastiveDivergence, ObjectiveError, UpDown
from dgmppl.objectives.objective import Progress


def net(*hidden: int, seed: int = 0) -> DeepBelief:
    torch.manual_seed(seed)
    program = DeepBelief(4, hidden).double()
    for parameter in program.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    return program


def all_states(size: int) -> Tensor:
    return Binary(size).states(torch.arange(2**size)).double()


def coins(logits: Tensor, values: Tensor) -> Tensor:
    return Bernoulli(logits=logits).log_prob(values).sum(-1)


def log_joint(program: DeepBelief, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """States of the lower hidden layer `[S, H]`, log p(x, h) and log q(h|x), each `[S, B]`."""
    h = all_states(program.low.size)
    own = h @ program.a + torch.nn.functional.softplus(h @ program.W + program.b).sum(-1)
    log_z = exact_log_partition(machine_of(program))
    below = coins(program.down[0](h)[:, None], x)
    return h, (own - log_z)[:, None] + below, coins(program.up[0](x), h[:, None])


def test_a_machine_undone_has_the_same_density() -> None:
    """With the guide at its posterior every draw weighs as much."""
    torch.manual_seed(0)
    machine = RBM(6, 4).double()
    for parameter in machine.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    program = DeepBelief(6, (4, 6)).double()
    undo(machine, program.down[0], program.up[0])
    with torch.no_grad():
        program.W.copy_(machine.W.T), program.a.copy_(machine.b), program.b.copy_(machine.a)
    x = all_states(6)
    exact, found = dgmppl.evidence(machine, x), dgmppl.evidence(program, x, num_particles=1)
    assert exact.kind == "exact" and found.kind == "lower bound"
    torch.testing.assert_close(found.known, exact.known, atol=1e-9, rtol=0)


@torch.no_grad()
def test_the_bound_is_that_of_the_sum_over_states() -> None:
    program, x = net(3, 4), all_states(4)
    _, log_p, log_q = log_joint(program, x)
    exact = log_p.logsumexp(0)
    torch.testing.assert_close(exact.exp().sum(), torch.ones((), dtype=torch.float64))
    one = dgmppl.evidence(program, x.repeat(4000, 1), num_particles=1, seed=0).known
    elbo = (log_q.exp() * (log_p - log_q)).sum(0)
    rows = one.reshape(4000, -1)
    assert bool(((rows.mean(0) - elbo).abs() < 4 * rows.std(0) / 4000**0.5).all())
    many = dgmppl.evidence(program, x, num_particles=4000, seed=0)
    assert many.standard_error is not None
    assert bool(((many.known - exact).abs() < 4 * many.standard_error).all())
    assert bool((elbo < exact).all())


def test_directed_layers_between_count() -> None:
    """Three hidden layers: the sum over both directed ones."""
    program, x = net(3, 2, 3), all_states(4)
    with torch.no_grad():
        low, top = all_states(3), all_states(2)
        own = top @ program.a
        own = own + torch.nn.functional.softplus(top @ program.W + program.b).sum(-1)
        own = own - exact_log_partition(machine_of(program))
        middle = coins(program.down[1](top)[:, None], low)
        below = coins(program.down[0](low)[:, None], x)
        exact = (own[:, None, None] + middle[..., None] + below[None]).flatten(0, 1).logsumexp(0)
    found = dgmppl.evidence(program, x, num_particles=4000, seed=0)
    assert found.standard_error is not None
    assert bool(((found.known - exact).abs() < 4 * found.standard_error).all())
    assert dgmppl.generate(program, 5, sweeps=3)["x"].shape == (5, 4)


def test_wake_and_sleep_have_the_exact_gradients() -> None:
    """With so many sweeps that the chains have forgotten where they began."""
    program = net(3, 4)
    x = all_states(4)[[0, 3, 5, 12]]
    _, log_p, log_q = log_joint(program, x)
    with torch.no_grad():
        q = log_q.exp()
    everything = all_states(4)
    _, joint, dreamt = log_joint(program, everything)
    exact = (q * log_p).sum(0).mean() + (joint.detach().exp() * dreamt).sum()
    names, parameters = zip(*program.named_parameters(), strict=True)
    wanted = torch.autograd.grad(exact, parameters)

    binding = dgmppl.bind(program, x)
    phase = UpDown(40).phases(binding)[0]
    torch.manual_seed(1)
    rounds = []
    for _ in range(200):
        loss = phase.loss(binding, x.repeat(50, 1), Progress()).surrogate
        rounds.append([-g for g in torch.autograd.grad(loss, parameters)])
    for i, name in enumerate(names):
        draws = torch.stack([found[i] for found in rounds])
        error = draws.std(0) / len(rounds) ** 0.5
        off = (draws.mean(0) - wanted[i]).abs() / error.clamp(min=1e-9)
        assert float(off.max()) < 4.5, name


def test_contrastive_divergence_learns_the_top_alone() -> None:
    program = net(3, 4)
    before = {n: p.detach().clone() for n, p in program.named_parameters()}
    x = all_states(4)
    dgmppl.fit(program, x, ContrastiveDivergence(1), epochs=2, progress=False, device="cpu")
    moved = {n for n, p in program.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"a", "b", "W"}


class Crossed(dgmppl.Program):
    """Draws x from the layer that the guide leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.W = torch.nn.Parameter(torch.randn(3, 4))
        self.up = torch.nn.Linear(4, 3)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            h, top = dgmppl.units("h", Binary(3)), dgmppl.units("top", Binary(4))
            pyro.factor("energy", ((h @ self.W) * top).sum(-1))
            pyro.sample("x", Bernoulli(logits=top - 0.5).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(logits=self.up(x)).to_event(1))


def test_refusals_name_the_site() -> None:
    x = torch.ones(5, 4)
    found = dgmppl.evidence(Crossed(), x)
    assert found.value is None and "site 'x' is drawn from layer 'top'" in found.reason
    with pytest.raises(ValueError, match="guide that draws 'top'"):
        dgmppl.fit(Crossed(), x, UpDown(), epochs=1, progress=False, device="cpu")
    with pytest.raises(ObjectiveError, match="observed sites below an energy"):
        dgmppl.fit(RBM(4, 2), x, UpDown(), epochs=1, progress=False, device="cpu")
    with pytest.raises(ObjectiveError, match="belongs to an energy"):
        dgmppl.fit(net(3, 4), x.double(), ELBO(), epochs=1, progress=False, device="cpu")


def test_what_needs_densities_says_that_there_is_an_energy() -> None:
    x = torch.ones(5, 4)
    with pytest.raises(ValueError, match="site 'h1' belongs to an energy"):
        dgmppl.diagnose(net(3, 4), x.double())


@pytest.mark.slow
def test_the_bound_improves_with_a_layer() -> None:
    """Digits: the net against the machine that its first layer was."""
    recipe = recipes["deep-belief"]
    train, test = (recipe.data(split=split) for split in ("train", "test"))
    annealing = Annealing(steps=1000, chains=100)

    def bound(program: Any) -> float:
        return dgmppl.evidence(program, test, 1, annealing=annealing, seed=0).mean

    torch.manual_seed(0)
    program = recipe.program()
    assert recipe.start is not None
    recipe.start(program, train, device="cpu")
    before = bound(program)
    learned = recipe.learn(device="cpu", progress=False).program
    assert bound(learned) > before + 0.1
