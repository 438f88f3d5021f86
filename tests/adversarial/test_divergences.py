"""What a critic finds is what quadrature finds, from below."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from two_gaussians import SHIFT, learned, linear, network

from dgmppl.adversarial import (
    Divergence,
    Hinge,
    JensenShannon,
    KullbackLeibler,
    LeastSquares,
    MaximumLikelihoodGame,
    NonSaturating,
    Pearson,
    ReverseKullbackLeibler,
    SquaredHellinger,
    Wasserstein,
)

GRID = torch.linspace(-9.0, 10.0, 2_001, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])
P = torch.exp(-0.5 * GRID**2) / math.sqrt(2 * math.pi)
Q = torch.exp(-0.5 * (GRID - SHIFT) ** 2) / math.sqrt(2 * math.pi)


def integral(values: Tensor) -> float:
    return float(values.sum() * STEP)


M = (P + Q) / 2
EXACT: dict[type[Divergence], float] = {
    JensenShannon: 0.5 * integral(P * (P / M).log() + Q * (Q / M).log()),
    LeastSquares: 0.5 * integral((P - Q) ** 2 / (P + Q)),
    Hinge: 0.5 * integral((P - Q).abs()),
    KullbackLeibler: integral(P * (P / Q).log()),
    ReverseKullbackLeibler: integral(Q * (Q / P).log()),
    Pearson: integral((P - Q) ** 2 / Q),
    SquaredHellinger: integral((P.sqrt() - Q.sqrt()) ** 2),
}


def best_critic(divergence: Divergence) -> Tensor:
    """Its values on the grid: those that raise its gain at each point, found by search."""
    values = (
        torch.linspace(-12.0, 12.0, 201, dtype=torch.float64).sinh()[:, None].expand(-1, len(P))
    )
    for _ in range(6):  # each round looks between the neighbours of the best
        gain = P * divergence.on_data(values) + Q * divergence.on_draws(values)
        best = gain.nan_to_num(nan=-torch.inf).argmax(0)
        low = values.gather(0, (best - 1).clamp(min=0)[None])
        high = values.gather(0, (best + 1).clamp(max=len(values) - 1)[None])
        values = low + (high - low) * torch.linspace(0.0, 1.0, 41, dtype=torch.float64)[:, None]
    return values[20]


@pytest.mark.parametrize("kind", EXACT)
def test_the_best_critic_gives_the_divergence_and_the_ratio(kind: type[Divergence]) -> None:
    divergence = kind()
    value = best_critic(divergence)
    gain = integral(P * divergence.on_data(value) + Q * divergence.on_draws(value))
    assert float(divergence.estimate(torch.tensor(gain))) == pytest.approx(EXACT[kind], abs=2e-3)
    if kind is Hinge:
        with pytest.raises(NotImplementedError, match="no critic that tells the ratio"):
            divergence.log_ratio(value)
        return
    middle = (GRID > -3) & (GRID < 4)
    ratio = divergence.log_ratio(value)[middle]
    torch.testing.assert_close(ratio, (P / Q).log()[middle], atol=0.1, rtol=0.02)


@pytest.mark.parametrize("kind", EXACT)
def test_no_critic_finds_more(kind: type[Divergence]) -> None:
    divergence = kind()
    for seed in range(20):
        torch.manual_seed(seed)
        a, b, c = torch.randn(3, dtype=torch.float64)
        value = a + b * GRID + c * (3 * GRID).sin()
        if kind is ReverseKullbackLeibler:
            value = value.clamp(-50, 50)
        gain = integral(P * divergence.on_data(value) + Q * divergence.on_draws(value))
        assert float(divergence.estimate(torch.tensor(gain))) <= EXACT[kind] + 1e-9


@pytest.mark.parametrize(
    ("divergence", "exact"),
    [
        (JensenShannon(), EXACT[JensenShannon]),
        (KullbackLeibler(), EXACT[KullbackLeibler]),
        (ReverseKullbackLeibler(), EXACT[ReverseKullbackLeibler]),
        (SquaredHellinger(), EXACT[SquaredHellinger]),
    ],
    ids=str,
)
def test_a_learned_critic_is_the_known_ratio(divergence: Divergence, exact: float) -> None:
    """log p/q = ½ − x is affine, and so is each of these critics."""
    torch.manual_seed(0)
    critic, value = learned(linear(), divergence)
    x = torch.linspace(-2.0, 3.0, 11)[:, None]
    with torch.no_grad():
        found = divergence.log_ratio(critic(x))
    torch.testing.assert_close(found, 0.5 - x[:, 0], atol=0.08, rtol=0.0)
    assert value == pytest.approx(exact, abs=0.02)  # 200,000 fresh samples of each


@pytest.mark.parametrize("divergence", [LeastSquares(), Hinge(), Pearson()], ids=str)
def test_networks_come_near_from_below(divergence: Divergence) -> None:
    torch.manual_seed(0)
    _, value = learned(network(), divergence, rate=0.005)
    exact = EXACT[type(divergence)]
    assert 0.9 * exact < value < exact + 0.02


@pytest.mark.parametrize("divergence", [NonSaturating(), MaximumLikelihoodGame()], ids=str)
def test_generators_losses_differ_and_the_critics_are_one(divergence: Divergence) -> None:
    value = torch.randn(20, dtype=torch.float64)
    minimax = JensenShannon()
    assert torch.equal(divergence.on_data(value), minimax.on_data(value))
    assert torch.equal(divergence.on_draws(value), minimax.on_draws(value))
    assert not torch.allclose(divergence.draws_lose(value), minimax.draws_lose(value))


def slope_of_draws(divergence: Divergence, mean: float) -> float:
    """d/dμ of what draws from N(μ, 1) lose at the best critic of data N(0, 1), held still."""
    value = 0.5 * mean**2 - mean * GRID
    density = torch.exp(-0.5 * (GRID - mean) ** 2) / math.sqrt(2 * math.pi)
    return integral(density * (GRID - mean) * divergence.draws_lose(value))


def test_the_maximum_likelihood_game_follows_maximum_likelihood() -> None:
    """Its gradient at the best critic is that of KL(data ‖ draws) = μ²/2, which is μ."""
    for mean in (0.3, 1.0, 2.0):
        assert slope_of_draws(MaximumLikelihoodGame(), mean) == pytest.approx(mean, rel=1e-6)


def test_minimax_follows_the_divergence_and_the_other_loss_does_not_fade() -> None:
    """At a best critic the game's gradient is that of 2 JS; far off it is all but gone."""

    def js(mean: float) -> float:
        q = torch.exp(-0.5 * (GRID - mean) ** 2) / math.sqrt(2 * math.pi)
        m = (P + q) / 2
        return 0.5 * integral(torch.special.xlogy(P, P / m) + torch.special.xlogy(q, q / m))

    expected = 2 * (js(1.0005) - js(0.9995)) / 0.001
    assert slope_of_draws(JensenShannon(), 1.0) == pytest.approx(expected, rel=1e-4)
    assert slope_of_draws(NonSaturating(), 5.0) > 20 * slope_of_draws(JensenShannon(), 5.0)


def test_wasserstein_is_a_difference_of_means() -> None:
    value = torch.tensor([1.0, 3.0])
    game = Wasserstein()
    assert float(game.on_data(value).mean() + game.on_draws(value - 1).mean()) == 1.0
