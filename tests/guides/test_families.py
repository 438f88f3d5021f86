"""Every family draws what it scores, is normalised, and learns by every estimator."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Normal
from statistics_of import agree, gradients, values
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import (
    Amortized,
    Coupling,
    Diagonal,
    Family,
    Full,
    Householder,
    InverseAutoregressive,
    LowRank,
    Mixture,
    Orthogonal,
    Planar,
    Reflected,
    Spline,
    Sylvester,
    Triangular,
)
from dgmppl.guides.basis import Basis
from dgmppl.guides.tanh_root import tanh_root
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    Objective,
    Pathwise,
    Progress,
    ScoreFunction,
    StickingTheLanding,
)

DOUBLE = torch.float64
FAMILIES = [
    Diagonal(),
    LowRank(1),
    Full(),
    Mixture(2),
    Planar(2),
    Householder(2),
    InverseAutoregressive(2, hidden_features=4),
    Coupling(2, hidden_features=4),
    Spline(bins=4),
    Sylvester(2, Orthogonal(2)),
    Sylvester(2, Reflected(2)),
    Sylvester(2, Triangular()),
]
FLOWS = [
    family
    for family in FAMILIES
    if isinstance(family, Planar | Householder | InverseAutoregressive | Coupling | Sylvester)
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=repr)


class Correlated(LinearGaussian):
    """Columns of W that are not orthogonal: the exact posterior's coordinates depend on another."""

    def __init__(self, log_sigma: float = -0.4) -> None:
        super().__init__()
        columns = torch.tensor([[1.0, 0.8], [-0.3, 0.6], [0.4, 0.7]], dtype=DOUBLE)
        self.W.data, self.log_sigma.data = columns, torch.tensor(log_sigma, dtype=DOUBLE)

    @property
    def precision(self) -> Tensor:
        """The posterior's, `[2, 2]`."""
        return torch.eye(2, dtype=DOUBLE) + self.W.T @ self.W / self.sigma**2


def guided(family: Family, x: Tensor, log_sigma: float = -0.4) -> Any:
    program = Correlated(log_sigma).requires_grad_(False)
    features = nn.Linear(3, 3, dtype=DOUBLE)
    return program.with_guide(Amortized(program, features, x, family=family))


def learn(program: Any, x: Tensor, objective: Objective, steps: int, rate: float) -> None:
    binding = dgmppl.bind(program, x)
    moved = [p for p in program.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(moved, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        objective.phases(binding)[0].loss(binding, x, Progress()).surrogate.backward()
        optimizer.step()
        schedule.step()


def gap(program: Any, x: Tensor) -> float:
    """log p(x) less the bound, nats a datum."""
    with torch.no_grad():
        bound = dgmppl.weights(program, x, num_particles=2000).ratio()[0]
        return float((program.program.log_evidence(x) - bound.mean(0)).mean())


def test_full_contains_the_exact_posterior_and_diagonal_does_not() -> None:
    x = data(20)
    full, diagonal = guided(Full(), x), guided(Diagonal(), x)
    for program in (full, diagonal):
        objective = ELBO(num_particles=4, gradient=StickingTheLanding())
        learn(program, x, objective, steps=400, rate=0.05)
    precision = full.program.precision
    least = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)).item()
    assert least > 0.1, "the case is not correlated"
    assert abs(gap(full, x)) < 0.01
    assert least - 0.03 < gap(diagonal, x) < least + 0.05


@pytest.mark.parametrize(
    "family", [LowRank(1), Householder(2), InverseAutoregressive(1), Coupling(2)], ids=repr
)
def test_families_with_dependence_reach_a_correlated_posterior(family: Family) -> None:
    x = data(20)
    program = guided(family, x)
    learn(program, x, ELBO(num_particles=4), steps=500, rate=0.05)
    assert gap(program, x) < 0.05


@each_family
def test_densities_integrate_to_one(family: Family) -> None:
    q = family.head(3, 2).double()(torch.tensor([0.3, -0.2, 0.5], dtype=DOUBLE))
    step = 0.06
    axis = torch.arange(-12, 12, step, dtype=DOUBLE) + 0.0123
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    with torch.no_grad():
        assert abs(q.log_prob(grid).exp().sum().item() * step**2 - 1) < 2e-3


@each_family
def test_importance_weights_average_to_the_evidence(family: Family) -> None:
    x = 0.3 * data()
    program = guided(family, x, log_sigma=-1.0)
    with torch.no_grad():
        log_weights = dgmppl.weights(program, x, num_particles=20_000).ratio()[0]
        assert isinstance(log_weights, Tensor)
        agree((log_weights - program.program.log_evidence(x)).exp(), torch.ones(4, dtype=DOUBLE))


@each_family
@pytest.mark.parametrize("leading", [(), (5,), (2, 5)])
def test_a_draw_scores_the_same_elsewhere(family: Family, leading: tuple[int, ...]) -> None:
    """By the cache of what drew it, and by inversion; for any leading dimensions."""
    head = family.head(3, 4).double()
    features = torch.randn(*leading, 3, dtype=DOUBLE)
    with torch.no_grad():
        q = head(features).expand(torch.Size([7, *leading]))
        z = q.rsample()
        assert z.shape == (7, *leading, 4)
        elsewhere = head(features).log_prob(z.clone())
        assert elsewhere.shape == (7, *leading)
        assert torch.allclose(q.log_prob(z), elsewhere, atol=1e-8)


@each_family
def test_gradients_reach_every_parameter(family: Family) -> None:
    x = data()
    program = guided(family, x)
    binding = dgmppl.bind(program, x)
    ELBO(num_particles=3).phases(binding)[0].loss(binding, x, Progress()).surrogate.backward()
    for name, parameter in program.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
            assert parameter.grad.isfinite().all(), name
    learned = [n for n, p in program.named_parameters() if p.requires_grad]
    assert sorted(binding.roles["guide"]) == sorted(learned)


@each_family
def test_estimators_agree(family: Family) -> None:
    """Pathwise, score-function, path-derivative and doubly reparameterised gradients."""
    x = data().repeat(40, 1)
    program = guided(family, x).requires_grad_(True)
    reference = gradients(ELBO(gradient=Pathwise(), analytic_kl=False), program, x, 100)
    for estimator in (StickingTheLanding(), ScoreFunction()):
        agree(gradients(ELBO(gradient=estimator), program, x, 100), reference, errors=5)
    reference = gradients(IWAE(num_particles=3), program, x, 100)
    other = IWAE(num_particles=3, gradient=DoublyReparameterized())
    agree(gradients(other, program, x, 100), reference, errors=5)


@each_family
def test_the_value_is_the_bound_whatever_the_estimator(family: Family) -> None:
    x = data().repeat(20, 1)
    program = guided(family, x)
    elbo, iwae = ELBO(gradient=Pathwise()), IWAE(num_particles=3, gradient=Pathwise())
    reference = values(elbo, program, x, 60)
    agree(values(ELBO(gradient=StickingTheLanding()), program, x, 60), reference)
    tighter = values(iwae, program, x, 60)
    agree(values(IWAE(num_particles=3, gradient=DoublyReparameterized()), program, x, 60), tighter)
    exact = program.program.log_evidence(x).mean()
    assert reference.mean() < tighter.mean() < exact


@pytest.mark.parametrize("family", FLOWS, ids=repr)
def test_a_map_its_determinant_and_the_derivatives_of_its_inverse(family: Family) -> None:
    """Each as autograd has it, far from where learning starts."""
    features = torch.randn(3, 3, dtype=DOUBLE, requires_grad=True)
    layer = family.head(3, 4).double().layers[0]
    for parameter in layer.parameters():
        parameter.data *= 5
    x = 2 * torch.randn(3, 4, dtype=DOUBLE)
    with torch.no_grad():
        y, log_det = layer(features)(x), layer(features).log_abs_det_jacobian(x, x)
        assert torch.allclose(layer(features).inv(y.clone()), x, atol=1e-7)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(features)(x).sum(0), x)
    assert torch.allclose(torch.linalg.slogdet(jacobian.movedim(1, 0))[1], log_det)

    def back(y: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        transform = layer(features)
        x = transform.inv(y)
        return x, transform.log_abs_det_jacobian(x, y)

    assert torch.autograd.gradcheck(back, (y.requires_grad_(), features), atol=1e-4)


@pytest.mark.parametrize("basis", [Orthogonal(16), Reflected(3), Triangular()], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_columns_are_orthonormal(basis: Basis, dtype: torch.dtype) -> None:
    """Far from where learning starts, too."""
    network = basis.network(features=5, size=20, depth=3).to(dtype)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter)
    with torch.no_grad():
        for columns in network(torch.randn(7, 5, dtype=dtype)):
            unit = torch.eye(basis.number(20), dtype=dtype)[:, None]
            error = columns.project(columns.embed(unit)) - unit
            assert error.abs().max() < 50 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_the_roots_of_tanh_equations(dtype: torch.dtype) -> None:
    """Down to slopes where the left side is almost flat, and up to the steepest."""
    slope = torch.tensor([-0.999, -0.9, -0.1, 0.0, 0.5, 3.0, 1e2, 1e4], dtype=dtype)[:, None]
    target = torch.cat([torch.zeros(1), torch.logspace(-8, 4, 100)]).to(dtype) * torch.tensor(-1)
    for signed in (target, -target):
        root = tanh_root(slope, signed)
        scale = slope.abs() + signed.abs() + 1
        error = (root + slope * root.tanh() - signed).abs() / scale
        assert error.max() < 4 * torch.finfo(dtype).eps


def test_settings_out_of_range() -> None:
    for wrong in (
        lambda: LowRank(0),
        lambda: Mixture(1),
        lambda: Planar(0),
        lambda: Spline(1),
        lambda: Sylvester(0),
        lambda: Orthogonal(0),
        lambda: Reflected(0),
    ):
        with pytest.raises(ValueError, match=r"Expected .* got .* Try"):
            wrong()
    for family in (InverseAutoregressive(), Coupling()):
        with pytest.raises(ValueError, match="Try Spline"):
            family.head(3, 1)


@pytest.mark.parametrize(
    "family",
    [f for f in FAMILIES if not isinstance(f, InverseAutoregressive | Coupling)],
    ids=repr,
)
def test_numbers_are_vectors_of_length_one(family: Family) -> None:
    q = family.head(3, 1).double()(torch.tensor([0.3, -0.2, 0.5], dtype=DOUBLE))
    axis = torch.linspace(-20, 20, 20_001, dtype=DOUBLE)[:, None] + 1e-4
    with torch.no_grad():
        assert abs(q.log_prob(axis).exp().sum().item() * 40 / 20_000 - 1) < 2e-3


@pytest.mark.parametrize(
    "family", [Diagonal(), Mixture(2), Planar(2), Coupling(2, hidden_features=4)], ids=repr
)
def test_sticking_the_landing_drops_the_whole_score(family: Family) -> None:
    """Its gradient is that of log p(x, z(φ)) − log q(z(φ); φ held), draw by draw."""
    x = data()
    program = guided(family, x)
    guide = program._functions[0]
    learned = [p for p in program.parameters() if p.requires_grad]
    binding = dgmppl.bind(program, x)
    torch.manual_seed(3)
    objective = ELBO(gradient=StickingTheLanding())
    loss = objective.phases(binding)[0].loss(binding, x, Progress()).surrogate
    torch.manual_seed(3)
    z = guide(x)["z"]
    held = copy.deepcopy(guide).requires_grad_(False)
    log_q = held.heads[0](held.features(x)).log_prob(z)
    model = program.program
    prior = Normal(torch.zeros(2, dtype=DOUBLE), 1.0).to_event(1)
    likelihood = Normal(z @ model.W.T + model.b, model.sigma).to_event(1)
    by_hand = -(prior.log_prob(z) + likelihood.log_prob(x) - log_q).mean()
    for one, other in zip(
        torch.autograd.grad(loss, learned), torch.autograd.grad(by_hand, learned), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-7)
