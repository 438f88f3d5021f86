"""What an amortised guide reads off a model, how it factorises, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import (
    Dirichlet,
    Gamma,
    Multinomial,
    Normal,
    Poisson,
    Uniform,
)
from pyro.infer.autoguide import AutoNormal
from statistics_of import agree, gradients, mean_and_error
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import (
    Amortized,
    Autoregressive,
    Beside,
    BottomUp,
    Coupling,
    Diagonal,
    Full,
    Order,
    Spline,
    TopDown,
    amortized,
)
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized, Progress, StickingTheLanding

DOUBLE = torch.float64
CONTRAST = torch.tensor([1.0, -1.0, 0.0], dtype=DOUBLE)


class Written(dgmppl.Program):
    """A program of one function of the batch and the number of data."""

    def __init__(self, body: Callable[[Any], Any]):
        super().__init__()
        self.body = body

    def model(self, x: Tensor | None = None, n: int = 1) -> Any:
        with dgmppl.data_plate(x, n):
            return self.body(x)


class Tower(dgmppl.Program):
    """z2 → z1 → x, all Gaussian, with every answer in closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.up = torch.tensor([[1.2, -0.4], [0.3, 0.9]], dtype=DOUBLE)
        self.out = torch.tensor([[1.0, 0.5], [-0.5, 0.8], [0.2, 1.0]], dtype=DOUBLE)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z2 = pyro.sample("z2", Normal(torch.zeros(2, dtype=DOUBLE), 1.0).to_event(1))
            z1 = pyro.sample("z1", Normal(z2 @ self.up.T, 0.7).to_event(1))
            return pyro.sample("x", Normal(z1 @ self.out.T, 0.6).to_event(1), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        inner = self.up @ self.up.T + 0.49 * torch.eye(2, dtype=DOUBLE)
        cov = self.out @ inner @ self.out.T + 0.36 * torch.eye(3, dtype=DOUBLE)
        return torch.distributions.MultivariateNormal(x.new_zeros(3), cov).log_prob(x)


def learn(program: Any, x: Any, steps: int, rate: float = 0.03) -> None:
    binding = dgmppl.bind(program, x)
    objective = ELBO(num_particles=4)
    optimizer = torch.optim.Adam(program.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        objective.phases(binding)[0].loss(binding, x, Progress()).surrogate.backward()
        optimizer.step()
        schedule.step()


def bound(program: Any, x: Any, num_particles: int = 1000) -> Tensor:
    """The evidence lower bound, `[B]`."""
    with torch.no_grad():
        ratio = dgmppl.weights(program, x, num_particles=num_particles).ratio()[0]
        assert isinstance(ratio, Tensor)
        return ratio.mean(0)


def small_net(features: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh())


@pytest.mark.parametrize("order", [BottomUp(), TopDown(), Autoregressive()], ids=repr)
def test_a_hierarchy_learns_in_every_order(order: Order) -> None:
    """With full covariances each order contains the exact posterior of this model."""
    tower, x = Tower(), data(20)
    guide = Amortized(tower, nn.Identity(), x, family=Full(), order=order)
    program = tower.with_guide(guide)
    before = bound(program, x).mean()
    learn(program, x, steps=500)
    exact = tower.log_evidence(x).mean()
    assert before < exact - 0.5
    assert abs(float(exact - bound(program, x).mean())) < 0.05


@pytest.mark.parametrize("order", [BottomUp(), TopDown()], ids=repr)
def test_estimators_agree_on_a_hierarchy(order: Order) -> None:
    """Draws that condition other draws are open to gradients, parameters that score are not."""
    tower, x = Tower(), data().repeat(30, 1)
    program = tower.with_guide(Amortized(tower, nn.Identity(), x, family=Full(), order=order))
    pathwise = gradients(ELBO(analytic_kl=False), program, x, 80)
    agree(gradients(ELBO(gradient=StickingTheLanding()), program, x, 80), pathwise, errors=5)
    iwae = gradients(IWAE(num_particles=3), program, x, 80)
    other = IWAE(num_particles=3, gradient=DoublyReparameterized())
    agree(gradients(other, program, x, 80), iwae, errors=5)


def test_the_guide_draws_in_its_order() -> None:
    tower, x = Tower(), data()
    drawn = {}
    for order in (BottomUp(), TopDown(), Autoregressive()):
        guide = Amortized(tower, nn.Identity(), x, order=order)
        drawn[type(order).__name__] = list(guide(x))
    assert drawn == {
        "BottomUp": ["z1", "z2"],
        "TopDown": ["z2", "z1"],
        "Autoregressive": ["z2", "z1"],
    }


def test_stacked_orders_see_different_draws() -> None:
    names = ["c", "b", "a"]
    assert TopDown().parents(names) == {"c": (), "b": ("c",), "a": ("b",)}
    assert BottomUp().parents(names) == {"a": (), "b": ("a",), "c": ("b",)}
    assert Autoregressive().parents(names)["a"] == ("c", "b")


def constrained(x: Tensor | None) -> Tensor:
    """A rate, an interval, a simplex, a matrix and a plain number a datum."""
    rate = pyro.sample("rate", Gamma(2.0, 1.0))
    place = pyro.sample("place", Uniform(-1.0, 3.0))
    parts = pyro.sample("parts", Dirichlet(torch.ones(3)))
    table = pyro.sample("table", Normal(torch.zeros(2, 2), 1.0).to_event(2))
    number = pyro.sample("number", Normal(0.0, 1.0))
    loc = (rate + place + number)[..., None] * parts + table.sum(-1).sum(-1, keepdim=True)
    return pyro.sample("x", Normal(loc, 1.0).to_event(1), obs=x)


@pytest.mark.parametrize("family", [Diagonal(), Full(), Spline()], ids=repr)
def test_every_support_and_shape(family: Any) -> None:
    program, x = Written(constrained), torch.randn(5, 3)
    guided = program.with_guide(Amortized(program, small_net(), x, family=family))
    binding = dgmppl.bind(guided, x)
    assert {s.name: s.event_shape for s in binding.latents} == {
        "rate": (),
        "place": (),
        "parts": (3,),
        "table": (2, 2),
        "number": (),
    }
    assert all(site.reparameterised for site in binding.draws)
    for objective in (
        ELBO(),
        ELBO(gradient=StickingTheLanding()),
        IWAE(num_particles=4),
        IWAE(num_particles=4, gradient=DoublyReparameterized()),
    ):
        loss = objective.phases(binding)[0].loss(binding, x, Progress())
        grads = torch.autograd.grad(loss.surrogate, list(guided.parameters()), allow_unused=True)
        assert all(g is not None and g.isfinite().all() for g in grads)
    learned, start = guided, bound(guided, x).mean()
    learn(learned, x, steps=60)
    assert bound(learned, x).mean() > start


def test_a_gamma_latent_has_the_exact_evidence() -> None:
    """Gamma–Poisson: importance sampling under the guide finds the negative binomial."""

    def body(x: Tensor | None) -> Tensor:
        rate = pyro.sample("rate", Gamma(torch.tensor(2.0, dtype=DOUBLE), 1.0))
        return pyro.sample("x", Poisson(rate), obs=x)

    program, x = Written(body), torch.tensor([0.0, 1.0, 4.0], dtype=DOUBLE)
    features = nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Linear(1, 8, dtype=DOUBLE), nn.Tanh())
    guided = program.with_guide(Amortized(program, features, x))
    learn(guided, x, steps=300)
    exact = torch.distributions.NegativeBinomial(torch.tensor(2.0, dtype=DOUBLE), 0.5).log_prob(x)
    with torch.no_grad():
        ratio = dgmppl.weights(guided, x, num_particles=20_000).ratio()[0]
    assert isinstance(ratio, Tensor)
    mean, error = mean_and_error((ratio - exact).exp())
    assert ((mean - 1).abs() < 4 * error).all()
    assert ((exact - ratio.mean(0)) < 0.1).all()
    assert ((exact - ratio.mean(0)) > 0).all()


def test_the_closed_form_divergence_survives_the_bijection_to_reals() -> None:
    """Diagonal Gaussians on real sites of every shape keep their KL."""

    def body(x: Tensor | None) -> Tensor:
        a = pyro.sample("a", Normal(0.0, 1.0))
        b = pyro.sample("b", Normal(torch.zeros(2, 3), 1.0).to_event(2))
        return pyro.sample("x", Normal(b.sum(-2) + a[..., None], 1.0).to_event(1), obs=x)

    program, x = Written(body), torch.randn(4, 3)
    guide = Amortized(program, small_net(), x, order=TopDown())
    tables = dgmppl.weights(program.with_guide(guide), x, num_particles=2)
    assert {name: tuple(t.shape) for name, t in tables.divergences.items()} == {
        "a": (2, 4),
        "b": (2, 4),
    }


class Shared(dgmppl.Program):
    """A contrast that all data share, and a shift for each datum."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        w = pyro.sample("w", Normal(torch.zeros((), dtype=DOUBLE), 2.0))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros((), dtype=DOUBLE), 1.0))
            loc = w[..., None] * CONTRAST + z[..., None]
            return pyro.sample("x", Normal(loc, 0.5).to_event(1), obs=x)


def test_a_global_latent_beside_amortised_ones_learns() -> None:
    program, x = Shared(), data(30) + CONTRAST
    local = Amortized(program, nn.Identity(), x, sites=["z"])
    shared = AutoNormal(pyro.poutine.block(program.model, expose=["w"]), init_scale=0.1)
    guided = program.with_guide(Beside(local, shared))
    dgmppl.bind(guided, x)  # declares the parameters of the AutoNormal
    roles = dgmppl.bind(guided, x).roles["guide"]
    assert any("locs.w" in name for name in roles) and any("heads" in name for name in roles)
    learn(guided, x, steps=400)
    loc = next(p for name, p in guided.named_parameters() if "locs.w" in name)
    # The contrast is orthogonal to the shifts, so that w's posterior is a plain regression's.
    mean = (x @ CONTRAST).sum() / 0.25 / (1 / 4 + 2 * len(x) / 0.25)
    assert torch.allclose(loc, mean, atol=0.05)


def test_fit_moves_the_guide_and_the_model() -> None:
    program, x = LinearGaussian(1.0), data(40)
    guide = amortized(program, nn.Linear(3, 4, dtype=DOUBLE), example=x, family=Full())
    start = [p.detach().clone() for p in guide.parameters()]
    run = dgmppl.fit(program, x, objective=ELBO(), guide=guide, epochs=2, batch_size=20)
    assert all(not torch.equal(a, b) for a, b in zip(start, guide.parameters(), strict=True))
    assert dgmppl.bind(run.program, x).roles["guide"]


def test_the_look_moves_nothing_and_fits_other_batches() -> None:
    program, x = LinearGaussian(), data(6)
    features = nn.BatchNorm1d(3).double()
    torch.manual_seed(0)
    guide = Amortized(program, features, x)
    assert features.num_batches_tracked == 0 and features.training
    assert {v.shape for v in guide(data(9)).values()} == {(9, 2)}
    assert not any(p is q for p in guide.parameters() for q in program.parameters())
    other = copy.deepcopy(guide)
    other.load_state_dict(guide.state_dict())
    assert "q(z | features)" in repr(other)


def test_unmodified_pyro_models_with_subsampled_plates() -> None:
    def model(x: Tensor, y: Tensor) -> None:
        with pyro.plate("rows", 100, subsample=x):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("y", Normal(z.sum(-1) + x[:, 0], 1.0), obs=y)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 5)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.net(torch.cat([x, y[:, None]], -1))

    batch = (torch.randn(6, 3), torch.randn(6))
    pair = dgmppl.Pair(model)
    for guide in (Amortized(pair, Both(), batch), Amortized(model, Both(), batch)):
        tables = dgmppl.weights(dgmppl.Pair(model, guide), batch, num_particles=3)
        assert tables.log_q["z"].shape == (3, 6) and tables.size == 100
        assert dgmppl.weights(pair.with_guide(guide), batch).size == 100


def outside(x: Tensor | None) -> Any:
    z = pyro.sample("z", Normal(0.0, 1.0))
    with pyro.plate("inner", 2, dim=-2):
        pyro.sample("deep", Normal(z, 1.0))
    return pyro.sample("x", Normal(z[..., None], 1.0).expand([len(z), 3]).to_event(1), obs=x)


def arrived(x: Tensor | None) -> Any:
    number = pyro.sample("number", Poisson(2.0))
    return pyro.sample("x", Normal(number[..., None] * torch.ones(3), 1.0).to_event(1), obs=x)


def masked(x: Tensor | None) -> Any:
    size = 1 if x is None else len(x)
    with pyro.poutine.mask(mask=torch.arange(size) > 0):
        z = pyro.sample("z", Normal(0.0, 1.0))
    return pyro.sample("x", Normal(z[..., None] * torch.ones(3), 1.0).to_event(1), obs=x)


def bounded(x: Tensor | None) -> Any:
    size = 1 if x is None else len(x)
    z = pyro.sample("z", Uniform(0.0, 1.0 + torch.arange(size)))
    return pyro.sample("x", Normal(z[..., None] * torch.ones(3), 1.0).to_event(1), obs=x)


def counted(x: Tensor | None) -> Any:
    z = pyro.sample("z", Multinomial(3, torch.ones(3)))
    return pyro.sample("x", Normal(z, 1.0).to_event(1), obs=x)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (arrived, r"'number' \(Poisson\) is discrete.*Bernoulli.*Beside"),
        (counted, r"'z' \(Multinomial\) is discrete"),
        (masked, "'z' is masked.*Beside"),
        (bounded, "'z' has a support whose bounds .* differ"),
        (outside, "'deep' lies in plates .*inner.*to_event"),
        (lambda x: pyro.sample("x", Normal(torch.zeros(3), 1.0).to_event(1), obs=x), "none"),
    ],
)
def test_sites_that_it_cannot_draw(body: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(dgmppl.ProgramError, match=words):
        Amortized(Written(body), small_net(), torch.randn(4, 3))


def test_a_global_latent_is_named_with_its_cure() -> None:
    with pytest.raises(dgmppl.ProgramError, match=r"'w' is global.*sites=\['z'\].*AutoNormal"):
        Amortized(Shared(), nn.Identity(), data())


def test_features_of_the_wrong_shape_and_unknown_sites() -> None:
    program, x = LinearGaussian(), data()
    with pytest.raises(dgmppl.ProgramError, match=r"shape \(4, number of features\), got \(3, 4"):
        Amortized(program, nn.Sequential(nn.Unflatten(1, (3, 1)), Transposed()), x)
    with pytest.raises(dgmppl.ProgramError, match=r"got \['y'\]; it has \['z'\]"):
        Amortized(program, nn.Identity(), x, sites=["y"])


class Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(0, 1)


def test_a_family_that_does_not_fit_a_site_names_it() -> None:
    def body(x: Tensor | None) -> Tensor:
        z = pyro.sample("z", Normal(0.0, 1.0))
        return pyro.sample("x", Normal(z[..., None] * torch.ones(3), 1.0).to_event(1), obs=x)

    with pytest.raises(ValueError, match=r"Latent site 'z', Coupling"):
        Amortized(Written(body), small_net(), torch.randn(4, 3), family=Coupling())
