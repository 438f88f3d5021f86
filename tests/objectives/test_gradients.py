"""Estimators agree in mean with closed forms and each other; their variances stand in order."""

from __future__ import annotations

from collections.abc import Iterator

import pyro
import pytest
import torch
from enumerable import GlobalSwitch, Mixed, Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian, data
from pyro.distributions import (
    ConditionalTransformedDistribution,
    LogNormal,
    Normal,
)
from pyro.distributions.transforms import conditional_affine_coupling
from statistics_of import agree, exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    Pathwise,
    ScoreFunction,
    StickingTheLanding,
)
from dgmppl.weights import weights

DOUBLE = torch.float64
COPIES = 50  # of the data, so that few rounds hold many draws

ELBOS = [
    ELBO(),
    ELBO(gradient=Pathwise(), analytic_kl=False),
    ELBO(gradient=StickingTheLanding()),
    ELBO(gradient=DoublyReparameterized()),
    ELBO(gradient=ScoreFunction()),
    ELBO(gradient=ScoreFunction(), analytic_kl=False),
    ELBO(num_particles=3),
    ELBO(num_particles=3, gradient=StickingTheLanding()),
    ELBO(num_particles=3, gradient=DoublyReparameterized()),
    ELBO(num_particles=3, gradient=ScoreFunction()),
    IWAE(num_particles=1, gradient=StickingTheLanding()),
]


@pytest.mark.parametrize("objective", ELBOS, ids=repr)
def test_elbo(objective: ELBO | IWAE) -> None:
    """The mean gradient is that of the closed form."""
    program, x = LinearGaussian(1.0), data()
    truth = exact_gradient(program.elbo(x).mean(), program)
    agree(gradients(objective, program, x.repeat(COPIES, 1), 200), truth)


def entries(tensor: Tensor) -> Iterator[Tensor]:
    """Views of single numbers."""
    if tensor.dim() == 0:
        yield tensor
    for part in tensor if tensor.dim() else ():
        yield from entries(part)


def test_the_closed_form_is_differentiated_right() -> None:
    """Finite differences of the exact bound."""
    program, x = LinearGaussian(1.0), data()
    truth = exact_gradient(program.elbo(x).mean(), program)
    numbers, step = [], 1e-6
    for parameter in program.parameters():
        for entry in entries(parameter.data):
            entry += step
            up = program.elbo(x).mean().item()
            entry -= 2 * step
            numbers.append((up - program.elbo(x).mean().item()) / (2 * step))
            entry += step
    assert torch.allclose(truth, torch.tensor(numbers, dtype=DOUBLE), atol=1e-7)


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize("gradient", [DoublyReparameterized(), ScoreFunction()], ids=repr)
def test_iwae(gradient: DoublyReparameterized | ScoreFunction, vectorized: bool) -> None:
    program, x = LinearGaussian(1.0), data().repeat(COPIES, 1)
    reference = gradients(IWAE(num_particles=5), program, x, 300)
    program.vectorized = vectorized
    agree(gradients(IWAE(num_particles=5, gradient=gradient), program, x, 300), reference)


class Layers(dgmppl.Program):
    """Two layers: the guide's second depends on its first, and on parameters of its own."""

    def __init__(self, *, flow: bool = False):
        super().__init__()
        for name, value in {"a": 0.6, "b": 0.4, "c": -0.3, "r": -0.4, "s": -0.2, "t": 0.7}.items():
            setattr(self, name, nn.Parameter(torch.tensor(value, dtype=DOUBLE)))
        self.second = LogNormal if flow else Normal

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            u = pyro.sample("u", Normal(self.t * 0, 1.0))
            v = pyro.sample("v", self.second(self.t * u, 1.0))
            pyro.sample("x", Normal(v, 0.7), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            u = pyro.sample("u", Normal(self.a * x, self.r.exp()))
            pyro.sample("v", self.second(self.b * x + self.c * u, self.s.exp()))


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize(
    ("objective", "reference"),
    [
        (IWAE(num_particles=5, gradient=DoublyReparameterized()), IWAE(num_particles=5)),
        (ELBO(gradient=StickingTheLanding()), ELBO()),
        (ELBO(gradient=ScoreFunction()), ELBO()),
    ],
    ids=repr,
)
def test_layers(objective: ELBO | IWAE, reference: ELBO | IWAE, flow: bool) -> None:
    """Draws on which later draws depend carry gradients through both."""
    program, x = Layers(flow=flow), torch.tensor([0.9, -0.4], dtype=DOUBLE).repeat(COPIES)
    agree(gradients(objective, program, x, 400), gradients(reference, program, x, 400))


class Shared(dgmppl.Program):
    """A global latent on which the local guide depends."""

    def __init__(self) -> None:
        super().__init__()
        start = {"loc": 0.3, "r": -0.5, "a": 0.5, "b": 0.4, "c": 0.2, "s": -0.3}
        for name, value in start.items():
            setattr(self, name, nn.Parameter(torch.tensor(value, dtype=DOUBLE)))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        g = pyro.sample("g", Normal(self.a.detach() * 0, 1.0))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(g, 1.0))
            pyro.sample("x", Normal(z, 0.5), obs=x)

    def guide(self, x: Tensor) -> None:
        g = pyro.sample("g", Normal(self.loc, self.r.exp()))
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.a * x + self.b * g + self.c, self.s.exp()))


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize(
    ("objective", "reference"),
    [
        (IWAE(num_particles=4, gradient=DoublyReparameterized()), IWAE(num_particles=4)),
        (IWAE(num_particles=4, gradient=ScoreFunction()), IWAE(num_particles=4)),
        (ELBO(num_particles=2, gradient=StickingTheLanding()), ELBO()),
        (ELBO(num_particles=2, gradient=ScoreFunction()), ELBO()),
    ],
    ids=repr,
)
def test_global_latents(objective: ELBO | IWAE, reference: ELBO | IWAE, vectorized: bool) -> None:
    program, x = Shared(), torch.tensor([1.0, -2.0, 0.5], dtype=DOUBLE)
    truth = gradients(reference, program, x, 600)
    program.vectorized = vectorized
    agree(gradients(objective, program, x, 600 if vectorized else 300), truth)


def test_sticking_the_landing_has_no_noise_at_the_posterior() -> None:
    program, x = LinearGaussian(), data()
    stl = gradients(ELBO(gradient=StickingTheLanding()), program, x, 50)
    path = gradients(ELBO(analytic_kl=False), program, x, 50)
    guide = slice(-10, None)  # gain [2, 3], offset [2], log_scale [2]
    assert stl[:, guide].abs().max() < 1e-12
    assert path[:, guide].std(0).max() > 1e-2


def test_double_reparameterisation_has_less_noise() -> None:
    """For the guide's parameters, and the more so the more particles."""
    program, x = LinearGaussian(0.3), data()
    guide, ratios = slice(-10, None), []
    for k in (5, 50):
        path = gradients(IWAE(num_particles=k), program, x, 300)[:, guide].var(0).sum()
        objective = IWAE(num_particles=k, gradient=DoublyReparameterized())
        double = gradients(objective, program, x, 300)[:, guide].var(0).sum()
        ratios.append(float(double / path))
    assert ratios[1] < ratios[0] < 1


@pytest.mark.parametrize("analytic_kl", [True, False])
@pytest.mark.parametrize("num_particles", [1, 3])
def test_score_function_against_enumeration(num_particles: int, analytic_kl: bool) -> None:
    program, x = Switch(), few_numbers()
    objective = ELBO(num_particles=num_particles, analytic_kl=analytic_kl)
    truth = exact_gradient(program.elbo(x).mean(), program)
    agree(gradients(objective, program, x.repeat(30), 300), truth)  # 9,000 draws a datum


def test_score_function_of_a_log_average_against_enumeration() -> None:
    program, x = Switch(), few_numbers()
    truth = exact_gradient(program.importance_bound(x).mean(), program)
    agree(gradients(IWAE(num_particles=2), program, x.repeat(30), 300), truth)


@pytest.mark.parametrize("gradient", [None, ScoreFunction()], ids=repr)
@pytest.mark.parametrize("analytic_kl", [True, False])
def test_discrete_and_continuous(gradient: ScoreFunction | None, analytic_kl: bool) -> None:
    program, x = Mixed(), torch.tensor([0.7, -1.1], dtype=DOUBLE)
    truth = exact_gradient(program.elbo(x).mean(), program)
    objective = ELBO(gradient=gradient, analytic_kl=analytic_kl)
    agree(gradients(objective, program, x.repeat(COPIES), 400), truth)


@pytest.mark.parametrize("num_particles", [1, 3])
@pytest.mark.parametrize("analytic_kl", [True, False])
def test_a_discrete_global_latent(num_particles: int, analytic_kl: bool) -> None:
    program, x = GlobalSwitch(), few_numbers()
    truth = exact_gradient(program.elbo(x), program)
    objective = ELBO(num_particles=num_particles, analytic_kl=analytic_kl)
    agree(gradients(objective, program, x, 1000), truth)


class LazyFlow(LinearGaussian):
    """A guide whose flow reads its network only when a density is asked for."""

    def __init__(self) -> None:
        super().__init__(0.3)
        torch.manual_seed(0)
        self.flow = conditional_affine_coupling(2, 3, hidden_dims=[4]).double()

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            base = Normal(x @ self.gain.T + self.offset, self.log_scale.exp()).to_event(1)
            return pyro.sample(
                "z", ConditionalTransformedDistribution(base, [self.flow]).condition(x)
            )


@pytest.mark.parametrize(
    ("objective", "reference"),
    [
        (IWAE(num_particles=3, gradient=DoublyReparameterized()), IWAE(num_particles=3)),
        (ELBO(gradient=StickingTheLanding()), ELBO()),
    ],
    ids=["IWAE", "ELBO"],
)
def test_flows_that_read_their_parameters_late(objective: IWAE, reference: IWAE) -> None:
    program, x = LazyFlow(), data().repeat(COPIES, 1)
    agree(gradients(objective, program, x, 150), gradients(reference, program, x, 150))


def test_fixed_scores_reach_no_parameter_of_a_flow() -> None:
    program, x = LazyFlow(), data()
    scores = weights(program, x, fixed_scores=True, stopped=["z"]).log_q["z"]
    assert not scores.requires_grad
