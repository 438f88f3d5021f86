"""Any Pyro code runs as it is, keeps its parameters to itself, and says what is wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from enumerable import Mixture
from linear_gaussian import LinearGaussian
from linear_gaussian import data as some_data
from pyro.distributions import Bernoulli, Gamma, LogNormal, Normal, constraints
from pyro.infer import autoguide
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import dgmppl
from dgmppl.binding import ProgramError, bind
from dgmppl.inference import CheckpointError, load_parameters, read_checkpoint, write_checkpoint
from dgmppl.modules_of import modules_of
from dgmppl.objectives import ELBO, MaximumLikelihood, Progress
from dgmppl.weights import weights

ADAM = partial(torch.optim.Adam, lr=0.05)
learn = partial(dgmppl.fit, progress=False, batch_size=None, optimizer=ADAM)


def names(program: nn.Module) -> list[str]:
    return [name for name, _ in program.named_parameters()]


# --- parameters


def declared(x: Tensor) -> None:
    """A scale that is positive, a simplex, and names that a dict has for itself."""
    loc = pyro.param("x.loc", torch.tensor(0.0))
    scale = pyro.param("values", lambda: torch.tensor(2.0), constraint=constraints.positive)
    share = pyro.param("share", torch.tensor([0.2, 0.3, 0.5]), constraint=constraints.simplex)
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(loc + 0 * share.sum(), scale), obs=x)


def test_declared_parameters_start_at_their_values_and_keep_their_support() -> None:
    pair, x = dgmppl.Pair(declared), torch.randn(50) * 3 + 1
    binding = bind(pair, x)
    assert len(names(pair)) == 3 and set(binding.roles["model"]) == set(names(pair))
    assert [tuple(p.shape) for p in pair.parameters()] == [(), (), (3,)]
    start = MaximumLikelihood().value(binding, x, Progress())
    assert torch.allclose(start, Normal(0.0, 2.0).log_prob(x).mean())
    learn(pair, x, MaximumLikelihood(), epochs=300)
    end = MaximumLikelihood().value(bind(pair, x), x, Progress())
    best = Normal(x.mean(), x.std(correction=0)).log_prob(x).mean()
    assert torch.allclose(end, best, atol=1e-3)


def test_the_global_store_is_neither_read_nor_written() -> None:
    pyro.param("x.loc", torch.tensor(100.0))
    x = torch.randn(20)
    pair = dgmppl.Pair(declared)
    learn(pair, x, MaximumLikelihood(), epochs=5)
    assert list(pyro.get_param_store().keys()) == ["x.loc"]
    assert pyro.param("x.loc").item() == 100.0
    assert pair.declared["x/loc"].abs() < 1
    pyro.clear_param_store()


def test_equal_names_in_two_programs_are_two_parameters() -> None:
    first, second = dgmppl.Pair(declared), dgmppl.Pair(declared)
    learn(first, torch.randn(20) + 5, MaximumLikelihood(), epochs=200)
    learn(second, torch.randn(20) - 5, MaximumLikelihood(), epochs=200)
    assert first.declared["x/loc"] > 3 and second.declared["x/loc"] < -3


def test_a_parameter_that_comes_late_is_refused() -> None:
    seen: list[int] = []

    def model(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(0.0))
        seen.append(1)
        if len(seen) > 1:
            loc = loc + pyro.param("late", torch.tensor(0.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(loc, 1.0), obs=x)

    with pytest.raises(ValueError, match="'late' was declared after learning began"):
        learn(dgmppl.Pair(model), torch.zeros(3), MaximumLikelihood(), epochs=3)


def test_a_declaring_program_is_sent_to_pair() -> None:
    class Declaring(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            declared(x)  # type: ignore[arg-type]

    with pytest.raises(ProgramError, match=r"pyro.param\('x.loc'\).*Pair"):
        bind(Declaring(), torch.zeros(3))
    pyro.clear_param_store()


class Normalised(nn.Module):
    """A Pyro class with `pyro.module` and running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.encoder, self.decoder = nn.Linear(2, 2), nn.Linear(1, 2)

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", len(x)):
            loc, log_scale = self.encoder(self.norm(x)).chunk(2, -1)
            pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


def test_running_statistics_are_in_the_state(tmp_path: Path) -> None:
    owner, x = Normalised(), torch.randn(30, 2) + 4
    pair = dgmppl.Pair(owner.model, owner.guide)
    learn(pair, x, epochs=30, directory=tmp_path)
    state = read_checkpoint(tmp_path / "last.safetensors")["program"]
    (name,) = [name for name in state if name.endswith("running_mean")]
    assert torch.equal(state[name], owner.norm.running_mean)
    assert (state[name] - x.mean(0)).abs().max() < 0.3
    again = Normalised()
    twin = dgmppl.Pair(again.model, again.guide)
    load_parameters(twin, state)
    assert torch.equal(again.norm.running_mean, owner.norm.running_mean)


def test_a_look_moves_nothing() -> None:
    owner, x = Normalised(), torch.randn(30, 2) + 4
    pair = dgmppl.Pair(owner.model, owner.guide)
    pair.encoder_mode = owner.encoder.eval()
    before = {name: value.clone() for name, value in pair.state_dict().items()}
    random = torch.get_rng_state()
    bind(pair, x)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in pair.state_dict().items())
    assert owner.norm.training and not owner.encoder.training


def test_bayesian_modules() -> None:
    """A PyroModule with PyroSample weights under an automatic guide."""

    class Regression(PyroModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear = PyroModule[nn.Linear](1, 1)
            self.linear.weight = PyroSample(Normal(torch.zeros(1, 1), 10.0).to_event(2))
            self.linear.bias = PyroSample(Normal(torch.zeros(1), 10.0).to_event(1))
            self.noise = PyroParam(torch.tensor(1.0), constraints.positive)

        def forward(self, x: Tensor, y: Tensor) -> None:
            mean = self.linear(x).squeeze(-1)
            with pyro.plate("data", len(x)):
                pyro.sample("y", Normal(mean, self.noise), obs=y)

    x = torch.randn(60, 1)
    y = 2 * x[:, 0] - 1 + 0.1 * torch.randn(60)
    model = Regression()
    pair = dgmppl.Pair(model, autoguide.AutoNormal(model))
    learn(pair, (x, y), epochs=600)
    guide = pair._functions[1]
    assert (guide.median()["linear.weight"] - 2).abs() < 0.1
    assert (guide.median()["linear.bias"] + 1).abs() < 0.1
    assert 0.05 < model.noise < 0.3


# --- automatic guides


def scale_and_place(x: Tensor) -> None:
    """A positive and a real latent."""
    scale = pyro.sample("scale", LogNormal(0.0, 1.0))
    place = pyro.sample("place", Normal(0.0, 5.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(place, scale), obs=x)


def noisy(x: Tensor) -> None:
    """Parameters that a model declares while an automatic guide looks at it."""
    scale = pyro.param("scale", torch.tensor(3.0), constraint=constraints.positive)
    pyro.module("net", NET)
    place = pyro.sample("place", Normal(0.0, 5.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(NET(place[..., None])[..., 0], scale), obs=x)


def test_an_automatic_guide_of_a_declaring_model() -> None:
    x = torch.randn(100) + 1
    pair = dgmppl.Pair(noisy, autoguide.AutoNormal(noisy))
    binding = bind(pair, x)
    assert {name for name in binding.roles["model"]} == {
        "declared.scale",
        "modules_found.0.weight",
        "modules_found.0.bias",
    }
    learn(pair, x, epochs=200)
    assert 0.7 < pair.declared["scale"].exp() < 1.5


def parts(model: Callable[..., Any]) -> autoguide.AutoGuideList:
    both = autoguide.AutoGuideList(model)
    both.append(autoguide.AutoNormal(pyro.poutine.block(model, expose=["scale"])))
    both.append(autoguide.AutoDiagonalNormal(pyro.poutine.block(model, expose=["place"])))
    return both


def structured(model: Callable[..., Any]) -> autoguide.AutoStructured:
    kinds = {"scale": "normal", "place": "normal"}
    return autoguide.AutoStructured(
        model, conditionals=kinds, dependencies={"place": {"scale": "linear"}}
    )


GUIDES: dict[str, Callable[..., Any]] = {
    "AutoNormal": autoguide.AutoNormal,
    "AutoDiagonalNormal": autoguide.AutoDiagonalNormal,
    "AutoMultivariateNormal": autoguide.AutoMultivariateNormal,
    "AutoLowRankMultivariateNormal": autoguide.AutoLowRankMultivariateNormal,
    "AutoDelta": autoguide.AutoDelta,
    "AutoIAFNormal": partial(autoguide.AutoIAFNormal, hidden_dim=[8]),
    "AutoGuideList": parts,
    "AutoStructured": structured,
    "AutoLaplaceApproximation": autoguide.AutoLaplaceApproximation,
}


@pytest.mark.parametrize("name", GUIDES)
def test_every_automatic_guide_learns(name: str) -> None:
    x = torch.randn(100) + 1
    pair = dgmppl.Pair(scale_and_place, GUIDES[name](scale_and_place))
    run = learn(pair, x, epochs=400)
    mean = drawn(pair, x)
    assert abs(mean["place"] - float(x.mean())) < 0.3
    assert abs(mean["scale"] - float(x.std())) < 0.3
    best = Normal(x.mean(), x.std()).log_prob(x).mean()
    assert best - 0.15 < run.history["value"][-1] < best
    assert not list(pyro.get_param_store().keys())


def drawn(pair: nn.Module, x: Tensor) -> dict[str, float]:
    """Posterior means by the guide."""
    binding = bind(pair, x)
    draws = [weights(binding, x).runs[0].guide for _ in range(100)]
    values = {n: torch.stack([g[n]["value"].detach() for g in draws]) for n in ("scale", "place")}
    return {name: float(value.mean()) for name, value in values.items()}


@pytest.mark.parametrize("seed", range(6))
def test_explicit_rows_stay_aligned_under_an_automatic_guide(seed: int) -> None:
    """An AutoGuide draws rows of its own; those that the model chose win."""
    pyro.set_rng_seed(seed)
    x = torch.tensor([-50.0, 0.0, 50.0])

    def model(x: Tensor, rows: Tensor) -> None:
        with pyro.plate("data", 3, subsample=rows) as chosen:
            assert torch.equal(chosen, rows)
            z = pyro.sample("z", Normal(0.0, 100.0))
            pyro.sample("x", Normal(z, 1.0), obs=x[rows])

    guide = autoguide.AutoNormal(model)
    pair = dgmppl.Pair(model, guide)
    binding = bind(pair, (x, torch.tensor([1])))
    guide.locs.z.data.copy_(x)
    assert binding.aligned == {"data"}
    for row in range(3):
        w = weights(binding, (x, torch.tensor([row])))
        assert w.log_p["x"].item() > -10  # rows that are not aligned cost over 1,000 nats


# --- guides exchanged, programs side by side


def test_another_guide_shares_the_model() -> None:
    program, x = LinearGaussian(1.0), some_data(20)
    before = {name: value.clone() for name, value in program.state_dict().items()}
    guided = dgmppl.with_guide(program, autoguide.AutoNormal(program.model))
    binding = bind(guided, x)
    shared = {id(p) for p in binding.parameters(("model",)).values()}
    assert shared == {id(program.W), id(program.b), id(program.log_sigma)}
    run = learn(program, x, guide=autoguide.AutoNormal(program.model), epochs=5)
    assert run.program is not program
    after = program.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"W", "b", "log_sigma"}  # its own guide did not learn
    assert set(after) == set(before)
    assert isinstance(program.guide(x), Tensor)


def test_a_guide_exchanged_twice_replaces_the_first() -> None:
    program = LinearGaussian()
    first, second = (nn.Linear(2, 2) for _ in range(2))
    twice = program.with_guide(first).with_guide(second)
    assert twice.program is program
    found = {id(module) for module in twice.modules()}
    assert id(second) in found and id(first) not in found


def test_a_pairs_guide_can_be_exchanged() -> None:
    owner = Normalised()
    pair = dgmppl.Pair(owner.model, owner.guide)
    other = dgmppl.with_guide(pair, autoguide.AutoNormal(owner.model))
    x = torch.randn(10, 2)
    assert set(bind(other, x).sites) == {"z", "z_unconstrained", "x"}
    assert names(pair) == names(dgmppl.Pair(owner.model, owner.guide))


def test_two_threads_learn_at_once() -> None:
    errors: list[BaseException] = []
    pairs = [dgmppl.Pair(declared) for _ in range(2)]

    def work(pair: dgmppl.Pair, shift: float) -> None:
        try:
            learn(pair, torch.randn(20) + shift, MaximumLikelihood(), epochs=150)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(pair, shift))
        for pair, shift in zip(pairs, (5.0, -5.0), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert pairs[0].declared["x/loc"] > 3 and pairs[1].declared["x/loc"] < -3
    assert not list(pyro.get_param_store().keys())


# --- finding modules

NET = nn.Linear(1, 1)


def helper(x: Tensor) -> Tensor:
    return NET(x)


def user(x: Tensor) -> Tensor:
    return helper(x)


class Owner:
    def __init__(self) -> None:
        self.net = nn.Linear(1, 1)

    def method(self, x: Tensor) -> Tensor:
        return self.net(x)


def test_modules_are_found_where_functions_keep_them() -> None:
    local, owner, nested = nn.Linear(1, 1), Owner(), nn.Sequential(NET)
    assert modules_of(local) == [local]
    assert modules_of(lambda x: local(x)) == [local]
    assert modules_of(user) == [NET]  # by a global name, through another function
    assert modules_of(owner.method) == [owner.net]
    assert modules_of(partial(user), partial(lambda net: net, net=local)) == [NET, local]
    assert modules_of(Normalised().model)[0].__class__ is Normalised
    assert modules_of(user, nested) == [nested]  # a part of another counts once
    assert modules_of(None, len, user, user) == [NET]


def test_a_function_that_calls_itself() -> None:
    def again(depth: int) -> int:
        return depth if depth == 0 else again(depth - 1)

    assert modules_of(again) == []


# --- bad input


class VAE(dgmppl.Program):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 2), nn.Linear(1, 4)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


class Missing(VAE):
    def guide(self, x: Tensor) -> None:
        pass


class Extra(VAE):
    def guide(self, x: Tensor) -> None:
        super().guide(x)
        pyro.sample("w", Normal(self.encoder.bias[0], 1.0))


class Twice(VAE):
    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        super().model(x, n)
        pyro.sample("z", Normal(0.0, 1.0))


class Outside(VAE):
    def guide(self, x: Tensor) -> None:
        pyro.sample("z", Normal(torch.zeros(len(x), 1), 1.0).to_event(2))


class Certain(VAE):
    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", pyro.distributions.Delta(self.decoder(z)).to_event(1), obs=x)


class Unguided(dgmppl.Program):
    """Its data meet the likelihood before any network."""

    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(4))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            pyro.sample("x", Gamma(self.loc.exp(), 1.0).to_event(1), obs=x)


ONES = torch.ones(5, 4)
BAD = {
    "wrong width, network": (VAE(), torch.ones(5, 7), r"guide failed on.*\(5, 7\).*describe"),
    "wrong width, site": (Unguided(), torch.ones(5, 7), r"'x' expected data of.*\(5, 7\)"),
    "NaN": (VAE(), ONES * float("nan"), r"20 NaN or infinite values in entry 'values'.*mask"),
    "grey": (VAE(), ONES / 3, r"'x' observes 20 values off.*0\.3333.*DynamicBinarisation"),
    "off the support": (Unguided(), -ONES, r"'x' observes 20 values off.*Gamma.*-1.*Try"),
    "missing latent": (Missing(), ONES, r"misses the latent site 'z'.*pyro.sample\('z'"),
    "extra latent": (Extra(), ONES, r"draws site 'w'.*does not have.*is_auxiliary"),
    "name twice": (Twice(), ONES, r"'z' is used twice in the model.*name of its own"),
    "outside the plate": (Outside(), ONES, r"'z' is inside plate 'data' in the model but not"),
    "Delta": (Certain(), ONES, r"'x' is a Delta likelihood.*implicit\('x'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_site_and_the_cure(name: str) -> None:
    program, x, message = BAD[name]
    with pytest.raises(ValueError, match=message) as caught:
        dgmppl.fit(program, x, ELBO(), epochs=1, progress=False)
    assert "try " in str(caught.value).lower()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (VAE(), "guide failed on a batch with NaN.*Try removing.*mask"),
        (Unguided(), "'x' observes 4 values that are NaN.*Try removing.*mask"),
    ],
)
def test_missing_pixels_behind_a_loader(program: dgmppl.Program, message: str) -> None:
    """Data that nobody could look through beforehand are met by the program."""
    loader = DataLoader(TensorDataset(ONES * float("nan")))
    with pytest.raises(ProgramError, match=f"(?s){message}"):
        dgmppl.fit(program, loader, ELBO(), epochs=1, progress=False)


def test_a_module_without_a_model_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"Linear has none.*Pair"):
        bind(nn.Linear(1, 1), torch.zeros(2, 1))


def test_a_checkpoint_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    write_checkpoint(path, {"program": VAE().state_dict()})
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut short or damaged.*Try another"):
            read_checkpoint(path)


@pytest.mark.parametrize("other", [LinearGaussian(), Mixture()])
def test_a_checkpoint_of_another_program_is_refused(other: nn.Module, tmp_path: Path) -> None:
    dgmppl.fit(VAE(), ONES, epochs=1, directory=tmp_path, progress=False)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    state = read_checkpoint(tmp_path / "last.safetensors")["program"]
    with pytest.raises(CheckpointError, match=f"another program than {type(other).__name__}"):
        load_parameters(other, state)
    assert all(torch.equal(before[n], value) for n, value in other.state_dict().items())


def test_a_checkpoint_of_another_size_names_the_tensor(tmp_path: Path) -> None:
    state, wider = VAE().state_dict(), VAE()
    wider.decoder = nn.Linear(3, 4)
    match = r"'decoder.weight' has shape \(4, 1\) there and \(4, 3\) here"
    with pytest.raises(CheckpointError, match=match):
        load_parameters(wider, state)
