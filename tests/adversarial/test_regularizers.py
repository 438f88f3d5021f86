"""Critics stay as smooth as they are told to."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from two_gaussians import SHIFT, Given, learned, network, samples

import dgmppl
from dgmppl.adversarial import (
    R1,
    R2,
    GradientPenalty,
    JensenShannon,
    SpectralNorm,
    Wasserstein,
    WeightClipping,
)
from dgmppl.objectives import Adversarial, Progress

WEIGHT = 20.0


@pytest.mark.parametrize("one_sided", [False, True])
def test_the_exact_distance_with_a_penalty(one_sided: bool) -> None:
    """W₁ of a Gaussian and the same one shifted is the shift d.

    A slope of s on the way gains s·d and costs λ (s − 1)²: the best is 1 + d/2λ. On a line a slope
    of +1 is a second optimum of the two-sided price, so the critic begins on the right side.
    """
    torch.manual_seed(0)
    critic, _ = learned(network(), JensenShannon(), steps=40, rate=0.005)
    penalty = GradientPenalty(WEIGHT, one_sided=one_sided)
    critic, value = learned(critic, Wasserstein(), rate=0.005, regularizer=penalty)
    slope = 1.0 + SHIFT / (2 * WEIGHT)
    assert value == pytest.approx(slope * SHIFT, abs=0.02)
    x = torch.linspace(-1.5, 2.5, 9)[:, None].requires_grad_()
    slopes = torch.autograd.grad(critic(x).sum(), x)[0]
    torch.testing.assert_close(slopes, torch.full_like(slopes, -slope), atol=0.1, rtol=0.0)


def quadratic(values: tuple[Tensor, ...]) -> Tensor:
    """½ Σ s²: its slope at a point is the point itself."""
    return sum((0.5 * value.flatten(1).square().sum(1) for value in values), torch.zeros(()))


def price(penalty: GradientPenalty, data: Tensor, draws: Tensor) -> float:
    found = penalty.penalty(quadratic, (data,), (draws,))
    assert found is not None
    return float(found.detach())


def test_norms_are_of_each_datum_by_itself() -> None:
    data, draws = torch.randn(6, 2, 3), torch.randn(6, 2, 3)
    norms, drawn = data.flatten(1).norm(dim=1), draws.flatten(1).norm(dim=1)
    excess = norms - 1.0
    for penalty, expected in (
        (R1(2.0), 2.0 * norms.square().mean()),
        (R2(1.0), drawn.square().mean()),
        (GradientPenalty(3.0, at="data"), 3.0 * excess.square().mean()),
        (GradientPenalty(1.0, at="data", one_sided=True), excess.clamp(min=0).square().mean()),
    ):
        assert price(penalty, data, draws) == pytest.approx(float(expected), rel=1e-5), penalty


def test_each_datum_is_mixed_at_a_place_of_its_own_and_all_sites_alike() -> None:
    points: list[tuple[Tensor, ...]] = []

    def look(values: tuple[Tensor, ...]) -> Tensor:
        points.append(values)
        return quadratic([v for v in values if v.is_floating_point()])

    data = (torch.zeros(50, 2), torch.zeros(50, 3), torch.arange(50))
    draws = (torch.ones(50, 2), torch.ones(50, 3), torch.arange(50))
    GradientPenalty().penalty(look, data, draws)
    a, b, labels = (point.detach() for point in points[0])
    assert torch.equal(a[:, 0], a[:, 1]) and torch.equal(a[:, 0], b[:, 0])
    assert len(a[:, 0].unique()) == 50 and float(a.min()) >= 0 and float(a.max()) <= 1
    assert torch.equal(labels, data[2])


def test_the_penalty_reaches_the_critics_parameters() -> None:
    """Its gradient is that of finite differences."""
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    data, draws = torch.randn(2, 7, 2, dtype=torch.float64)

    def cost() -> Tensor:
        found = GradientPenalty(1.0, at="data").penalty(lambda v: critic(*v), (data,), (draws,))
        assert found is not None
        return found

    weight = critic[0].weight
    slope = torch.autograd.grad(cost(), weight)[0][1, 0]
    with torch.no_grad():
        weight[1, 0] += 1e-5
    high = float(cost().detach())
    with torch.no_grad():
        weight[1, 0] -= 2e-5
    assert float(slope) == pytest.approx((high - float(cost().detach())) / 2e-5, rel=1e-5)


def after(regularizer: Any, critic: nn.Module, epochs: int = 4) -> Any:
    return dgmppl.fit(
        Given(critic),
        samples(400),
        Adversarial("x", Wasserstein(), regularizer=regularizer),
        optimizer=partial(torch.optim.RMSprop, lr=0.01),
        batch_size=40,
        epochs=epochs,
        device="cpu",
        progress=False,
    )


def test_clipped_parameters_lie_in_the_box_after_every_step() -> None:
    run = after(WeightClipping(0.05), network())
    largest = max(float(p.detach().abs().max()) for p in run.program.critic.parameters())
    assert largest == pytest.approx(0.05)


def test_spectrally_normed_critics_have_slope_one_at_most() -> None:
    critic = nn.Sequential(
        nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0)
    )
    before = {name: p.detach().clone() for name, p in critic.named_parameters()}
    norm = SpectralNorm()
    run = after(norm, critic, epochs=20)
    state = norm.state(run.program.critic)  # fresh singular vectors
    assert state is not None
    for _ in range(50):
        for name, part in state.items():
            part(dict(critic.named_parameters())[name.replace("/", ".")])
    state.eval()
    with norm.around(run.program.critic, state):
        for name in state:
            weight = run.program.critic.get_submodule(name.split("/")[0]).weight
            assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1.0, abs=1e-3)
        x = torch.linspace(-3, 3, 50)[:, None].requires_grad_()
        slopes = torch.autograd.grad(run.program.critic(x).sum(), x)[0]
    assert float(slopes.abs().max()) <= 1.0 + 1e-3
    assert set(dict(critic.named_parameters())) == set(before)  # the program's weights are its own
    assert run.history["value"][-1] > 0.3 * SHIFT


def test_what_is_kept_from_step_to_step_is_in_the_checkpoint(tmp_path: Any) -> None:
    objective = Adversarial("x", Wasserstein(), regularizer=SpectralNorm())
    settings: dict[str, Any] = {"batch_size": 40, "device": "cpu", "progress": False}

    def learn(epochs: int, directory: Any, resume: bool = False) -> dict[str, Tensor]:
        torch.manual_seed(0)
        program = Given(network(4))
        run = dgmppl.fit(
            program,
            samples(400),
            objective,
            epochs=epochs,
            directory=directory,
            resume=resume,
            **settings,
        )
        return run.program.state_dict()

    whole = learn(4, tmp_path / "whole")
    learn(2, tmp_path / "parts")
    parts = learn(4, tmp_path / "parts", resume=True)
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GradientPenalty(-1.0), "at least 0"),
        (lambda: GradientPenalty(at="nowhere"), "at='between'"),  # type: ignore[arg-type]
        (lambda: WeightClipping(0.0), "above 0"),
    ],
)
def test_bad_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_without_gradients_there_is_no_price() -> None:
    """Validation under no_grad reports the estimate alone."""
    program, x = Given(network(4)), samples(50)
    objective = Adversarial("x", Wasserstein(), regularizer=GradientPenalty())
    with torch.no_grad():
        assert torch.isfinite(objective.value(dgmppl.bind(program, x), x, Progress()))
