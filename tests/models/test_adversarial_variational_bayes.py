"""A posterior with four modes, against quadrature."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.models.adversarial_variational_bayes import recipes
from dgmppl.recipes import Recipe

EDGES = torch.linspace(-3.0, 3.0, 61)


def posterior(x: Tensor) -> Tensor:
    """p(z|x) of the cells of a grid, `[60, 60]`."""
    ticks = (EDGES[1:] + EDGES[:-1]) / 2
    z = torch.stack(torch.meshgrid(ticks, ticks, indexing="ij"), -1)
    log_p = Normal(0.0, 1.0).log_prob(z) + Normal(z.square() - 1.0, 0.5).log_prob(x)
    return log_p.sum(-1).flatten().softmax(0).reshape(60, 60)


@torch.no_grad()
def total_variation(program: nn.Module, x: Tensor, number: int = 200_000) -> float:
    """Between the guide's draws and p(z|x), by cells; draws off the grid count in full."""
    trace = pyro.poutine.trace(program.guide).get_trace(x.expand(number, 2))
    cells = torch.histogramdd(trace.nodes["z"]["value"], bins=[EDGES, EDGES]).hist / number
    return float((posterior(x) - cells).abs().sum() + 1.0 - cells.sum()) / 2


def learned(recipe: Recipe) -> nn.Module:
    return recipe.learn(progress=False).program


@pytest.mark.slow
def test_its_guide_covers_the_modes_that_a_gaussian_misses() -> None:
    data = recipes["squares"].data(split="test").values[:20]
    errors = {
        name: sum(total_variation(learned_one, x) for x in data) / len(data)
        for name, learned_one in (
            (name, learned(recipes[name])) for name in ("squares", "gaussian-squares")
        )
    }
    assert errors["squares"] < errors["gaussian-squares"] / 3


def test_a_sampler_of_the_posterior_has_no_total_variation() -> None:
    """The measure itself: draws by cell from p(z|x) differ by their number only."""

    class Exact(nn.Module):
        def guide(self, x: Tensor) -> Tensor:
            cells = posterior(x[0]).flatten()
            index = torch.multinomial(cells, len(x), replacement=True)
            corner = torch.stack([EDGES[index // 60], EDGES[index % 60]], -1)
            z = corner + 0.1 * torch.rand(len(x), 2)
            with dgmppl.data_plate(x):
                return dgmppl.implicit("z", z)

    torch.manual_seed(0)
    assert total_variation(Exact(), torch.tensor([0.5, 0.2])) < 0.03
