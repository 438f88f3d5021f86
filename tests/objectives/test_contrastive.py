"""Contrastive gradients are those of the likelihood, in the limits where they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from small_machines import Chain, joint, made, states_of
from torch import Tensor

import dgmppl
from dgmppl.energy import (
    Binary,
    BlockGibbs,
    Chains,
    EnergyError,
    FastChains,
    FastWeights,
    GibbsInference,
    Langevin,
    MeanField,
    Real,
    exact_log_partition,
    pseudo_likelihood,
)
from dgmppl.inference import NonFiniteError
from dgmppl.inference.checkpoint import read_checkpoint
from dgmppl.objectives import (
    ELBO,
    ContrastiveDivergence,
    ObjectiveError,
    PersistentContrastiveDivergence,
    VariationalMaximumLikelihood,
)
from dgmppl.objectives.objective import Progress


def data_of(program: Any, rows: int = 40) -> Tensor:
    torch.manual_seed(5)
    states, _ = states_of(program.layers[0])
    x: Tensor = states[torch.randint(len(states), (rows,)) // 2]
    return x


def exact_gradient(program: Any, machine: Any, x: Tensor) -> Tensor:
    """Of the mean log p(x), by listing every state."""
    hidden = [n for n in machine.layers if n != "v"]
    each = [states_of(layer)[0] for layer in program.layers[1:]]
    ranks = torch.cartesian_prod(*[torch.arange(len(s)) for s in each]).reshape(-1, len(each))
    total = torch.zeros((), dtype=torch.float64)
    for row in x:
        states = {n: each[i][ranks[:, i]] for i, n in enumerate(hidden)}
        states["v"] = row.expand(len(ranks), *row.shape)
        total = total + machine.log_factor(states).logsumexp(0) / len(x)
    start = {n: v[:1] for n, v in machine.filled({"v": x}).items()}
    log_p = total - exact_log_partition(machine, start)
    return slopes(log_p, program)


def slopes(value: Tensor, program: Any) -> Tensor:
    """∂ value / ∂ all parameters, in a row."""
    parameters = [*program.parameters()]
    found = torch.autograd.grad(value, parameters, materialize_grads=True, allow_unused=True)
    return torch.cat([slope.flatten() for slope in found])


def learned(program: Any, objective: Any, **settings: Any) -> Any:
    x, shown = data_of(program), {"device": "cpu", "progress": False}
    return dgmppl.fit(program, x, objective, batch_size=10, **shown, **settings)


def estimate(program: Any, objective: Any, x: Tensor, state: Any = None) -> Tensor:
    binding = dgmppl.bind(program, x)
    loss = objective.phases(binding)[0].loss(binding, x, Progress(state=state)).surrogate
    return -slopes(loss, program)


@pytest.mark.parametrize("name", ["binary", "spins", "categorical", "counts"])
def test_the_likelihoods_gradient_is_data_minus_model(name: str) -> None:
    """With every joint state of the machine as a chain, weighed by how often it is."""
    program, machine = made(name)
    x = data_of(program)
    states, log_w = joint(program, machine)
    above = machine.marginal(machine.filled({"v": x}), ["h1"]).mean()
    below = (log_w.softmax(0) * machine.log_factor(states)).sum()
    found = slopes(above - below, program)
    torch.testing.assert_close(found, exact_gradient(program, machine, x), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ["binary", "gaussian"])
def test_contrastive_divergence_loses_its_bias(name: str) -> None:
    torch.manual_seed(0)
    program, machine = made(name)
    x = data_of(program) if name == "binary" else torch.randn(40, 2, dtype=torch.float64)
    many = x.repeat(250, *[1] * (x.dim() - 1))
    exact = exact_gradient(program, machine, x)
    found = [estimate(program, ContrastiveDivergence(k), many) for k in (1, 30)]
    errors = [float((gradient - exact).norm()) for gradient in found]
    noise = 3 * (len(exact) / len(many)) ** 0.5
    assert errors[1] < noise and errors[0] > 2 * errors[1]


def test_persistent_chains_forget_where_they_began() -> None:
    program, machine = made("binary")
    x = data_of(program)
    torch.manual_seed(0)
    chains = Chains(machine, 10_000, {"v": x})
    chains.keep(BlockGibbs(30)(machine, chains.states()))
    found = estimate(program, PersistentContrastiveDivergence(num_chains=10_000), x, chains)
    exact = exact_gradient(program, machine, x)
    assert float((found - exact).norm()) < 3 * (len(exact) / 10_000) ** 0.5


@torch.no_grad()
def test_mean_field_is_a_bound_at_a_fixed_point() -> None:
    program, machine = made("deep")
    x = data_of(program)
    means = MeanField(200, damping=0.2, tolerance=1e-10)(machine, {"v": x})
    assert float(means.change.max()) <= 1e-10
    each = [states_of(layer)[0] for layer in program.layers[1:]]
    ranks = torch.cartesian_prod(*[torch.arange(len(s)) for s in each])
    bound = means.bound(machine)
    for row in range(len(x)):
        states = {n: each[i][ranks[:, i]] for i, n in enumerate(("h1", "h2", "h3"))}
        states["v"] = x[row].expand(len(ranks), -1)
        log_f = machine.log_factor(states)
        exact = log_f.logsumexp(0)
        log_q = torch.zeros(len(ranks), dtype=torch.float64)
        for name in ("h1", "h2", "h3"):
            layer, field = machine.layers[name], means.fields[name]
            log_q = log_q + (states[name] * field.linear[row]).sum(-1)
            log_q = log_q - layer.log_partition(field)[row]
        torch.testing.assert_close(log_q.logsumexp(0), torch.zeros((), dtype=torch.float64))
        elbo = (log_q.exp() * (log_f - log_q)).sum()
        torch.testing.assert_close(bound[row], elbo, atol=1e-9, rtol=0)
        assert float(elbo) < float(exact)


def test_variational_learning_follows_the_bound() -> None:
    """At the fixed point the gradient is that of bound − log Z, q being free to move or not."""
    program, machine = made("deep")
    x = data_of(program)
    inference = MeanField(300)
    objective = VariationalMaximumLikelihood(steps=2, num_chains=20_000, inference=inference)
    torch.manual_seed(0)
    chains = Chains(machine, 20_000, {"v": x})
    chains.keep(BlockGibbs(50)(machine, chains.states()))
    found = estimate(program, objective, x, chains)
    names = [*dict(program.named_parameters())]
    step = 1e-5
    for name in ("bias.0", "weight.1"):
        parameter = dict(program.named_parameters())[name]
        index = (0,) * parameter.dim()
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[index] += sign * step
                bound = inference(machine, {"v": x}).bound(machine).mean()
                values.append(float(bound - exact_log_partition(machine)))
                parameter[index] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        sizes = [p.numel() for p in program.parameters()]
        place = sum(sizes[: names.index(name)])
        assert abs(float(found[place]) - slope) < 4 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("name", ["binary", "spins"])
def test_pseudo_likelihood_is_that_of_listing(name: str) -> None:
    program, machine = made(name)
    x = data_of(program, 3)
    size = x.shape[1]
    exact = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        here = machine.marginal(machine.filled({"v": x}), ["h1"])
        for i in range(size):
            other = x.clone()
            other[:, i] = 1 - x[:, i] if name == "binary" else -x[:, i]
            there = machine.marginal(machine.filled({"v": other}), ["h1"])
            exact = exact + torch.nn.functional.logsigmoid(here - there).mean()
    torch.manual_seed(0)
    draws = torch.stack([pseudo_likelihood(machine, {"v": x}) for _ in range(2000)])
    assert abs(float(draws.mean() - exact)) < 4 * float(draws.std()) / 2000**0.5


@pytest.mark.parametrize(
    "objective",
    [
        ContrastiveDivergence(2),
        PersistentContrastiveDivergence(2, num_chains=7),
        VariationalMaximumLikelihood(num_chains=7),
    ],
)
@pytest.mark.parametrize("name", ["binary", "counts", "categorical"])
def test_graphs_learn_the_same_bits(objective: Any, name: str) -> None:
    from dgmppl.lowering import Plain

    results = []
    for compile in (False, Plain()):
        run = learned(made(name)[0], objective, epochs=2, compile=compile)
        results.append(run.program.state_dict())
    assert run.step == 8
    for parameter, value in results[0].items():
        torch.testing.assert_close(value, results[1][parameter], rtol=1e-9, atol=1e-12)


def test_chains_are_kept_in_checkpoints(tmp_path: Any) -> None:
    """A run that was interrupted goes on with its chains, to the same bits."""
    objective = PersistentContrastiveDivergence(num_chains=5)

    def learn(epochs: int, **settings: Any) -> Any:
        return learned(made("binary")[0], objective, epochs=epochs, compile=False, **settings)

    whole = learn(4)
    learn(2, directory=tmp_path / "run")
    resumed = learn(4, directory=tmp_path / "run", resume=True)
    for a, b in zip(whole.program.parameters(), resumed.program.parameters(), strict=True):
        assert torch.equal(a, b)


def test_wrong_programs_are_refused() -> None:
    deep, _ = made("deep")
    x = data_of(deep)
    with pytest.raises(EnergyError, match=r"some interact\. Try VariationalMaximumLikelihood"):
        dgmppl.fit(deep, x, ContrastiveDivergence(), epochs=1, progress=False)
    with pytest.raises(ValueError, match="Expected 0 or 1 at site 'v'"):
        rbm, grey = Chain(Binary(5), Binary(4)), torch.rand(8, 5).double()
        dgmppl.fit(rbm, grey, ContrastiveDivergence(), epochs=1, progress=False)
    with pytest.raises(ObjectiveError, match="contrastive objective"):
        dgmppl.fit(deep, x, ELBO(), epochs=1, progress=False)


def test_draws_in_the_place_of_a_mean_field_follow_the_likelihood() -> None:
    """Of a deep machine, whose mean field follows a bound only."""
    program, machine = made("deep")
    x = data_of(program)
    exact = exact_gradient(program, machine, x)
    torch.manual_seed(0)
    chains = Chains(machine, 20_000, {"v": x})
    chains.keep(BlockGibbs(50)(machine, chains.states()))
    many, errors = x.repeat(500, 1), []
    for inference in (GibbsInference(30), MeanField(300)):
        objective = VariationalMaximumLikelihood(2, 20_000, inference=inference)
        found = estimate(program, objective, many, chains)
        errors.append(float((found - exact).norm()))
    assert errors[0] < 3 * (2 * len(exact) / 20_000) ** 0.5
    assert errors[1] > 2 * errors[0]


def test_fast_weights_follow_the_gradient_and_fade() -> None:
    """After one step they are rate × gradient; with no more of it they shrink by the decay."""
    program, _ = made("binary")
    x, fast = data_of(program), FastWeights(rate=0.5, decay=0.8)
    binding = dgmppl.bind(program, x)
    objective = PersistentContrastiveDivergence(num_chains=20, fast=fast)
    state = objective.state(binding, x)
    assert isinstance(state, FastChains)
    found = estimate(program, objective, x, state)
    names = dict(program.named_parameters())
    kept = torch.cat([state.get_buffer(state.moved[n]).flatten() for n in state.moved])
    sizes = [n in state.moved for n, p in names.items() for _ in range(p.numel())]
    torch.testing.assert_close(kept, 0.5 * found[torch.tensor(sizes)])
    state.follow(fast, {n: torch.zeros_like(names[n]) for n in state.moved})
    again = torch.cat([state.get_buffer(name).flatten() for name in state.moved.values()])
    torch.testing.assert_close(again, 0.8 * kept)


def test_chains_feel_fast_weights() -> None:
    """They draw from the machine of the sums; the machine's own parameters stay."""
    program, machine = made("binary")
    x = data_of(program)
    objective = PersistentContrastiveDivergence(50, 4000, fast=FastWeights(0.0, 0.0))
    binding = dgmppl.bind(program, x)
    state = objective.state(binding, x)
    assert isinstance(state, FastChains)
    state.get_buffer(state.moved["bias.0"]).fill_(30.0)
    before = program.bias[0].detach().clone()
    torch.manual_seed(0)
    drawn = objective.negative(machine, {"v": x}, x, Progress(state=state))
    assert bool((drawn["v"] == 1).all()) and torch.equal(program.bias[0], before)


def test_fast_weights_learn_in_fit() -> None:
    learned(made("binary")[0], PersistentContrastiveDivergence(fast=FastWeights()), epochs=3)
    with pytest.raises(ValueError, match=r"decay in \[0, 1\)"):
        FastWeights(decay=1.0)


class Steep(dgmppl.Program):
    """Langevin moves of any fixed step leave its valley for good."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            x = dgmppl.units("x", Real(2), obs=x)
            pyro.factor("energy", -self.scale * x.pow(6).sum(-1))


def test_a_lost_chain_is_named_and_the_checkpoint_kept(tmp_path: Path) -> None:
    sampler = Langevin(1.5, adjusted=False)
    objective = PersistentContrastiveDivergence(3, 20, sampler)
    x = 0.1 * torch.randn(40, 2)
    with pytest.raises(NonFiniteError, match=r"step \d.*Chain \d+ has an energy of .*step_size"):
        dgmppl.fit(Steep(), x, objective, epochs=9, directory=tmp_path, progress=False)
    kept = read_checkpoint(tmp_path / "last.safetensors")
    assert all(bool(value.isfinite().all()) for value in kept["program"].values())
