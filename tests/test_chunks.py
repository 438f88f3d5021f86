"""Particles in chunks: the same numbers and gradients, and memory that does not grow with K."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from enumerable import Mixed, Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Normal
from statistics_of import agree, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.models.vae import VAE
from dgmppl.objectives import (
    ELBO,
    IWAE,
    VIMCO,
    Bound,
    DoublyReparameterized,
    Enumerate,
    ObjectiveError,
    Progress,
    Renyi,
    StickingTheLanding,
)


def outcome(objective: Bound, program: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A value and a gradient from one seed."""
    torch.manual_seed(0)
    value = objective.value(dgmppl.bind(program, x), x, Progress())
    torch.manual_seed(0)
    return value, gradients(objective, program, x, 1)[0]


@pytest.mark.parametrize(
    ("bound", "settings"),
    [
        (ELBO, {}),
        (ELBO, {"analytic_kl": False, "temper": {"z": 2.0}}),
        (ELBO, {"gradient": StickingTheLanding()}),
        (IWAE, {}),
        (IWAE, {"gradient": DoublyReparameterized()}),
        (IWAE, {"gradient": VIMCO()}),
        (Renyi, {}),
    ],
)
def test_one_at_a_time_is_the_loop_over_particles(bound: type[Bound], settings: Any) -> None:
    """Both draw in the same order, so that all numbers are the same."""
    program, x = LinearGaussian(0.3), data()
    program.vectorized = False
    loop = outcome(bound(num_particles=4, **settings), program, x)
    program.vectorized = True
    chunks = outcome(bound(num_particles=4, chunk_size=1, **settings), program, x)
    for one, other in zip(loop, chunks, strict=True):
        torch.testing.assert_close(one, other)


def test_chunks_of_any_size_agree_in_mean() -> None:
    program, x = LinearGaussian(0.3), data().repeat(30, 1)
    whole = gradients(IWAE(num_particles=5, gradient=DoublyReparameterized()), program, x, 100)
    objective = IWAE(num_particles=5, gradient=DoublyReparameterized(), chunk_size=2)
    agree(gradients(objective, program, x, 100), whole)


def test_configurations_in_chunks_are_exact() -> None:
    program, x = Switch(), few_numbers()
    whole = outcome(ELBO(gradient=Enumerate()), program, x)
    for one, other in zip(
        whole, outcome(ELBO(gradient=Enumerate(), chunk_size=1), program, x), strict=True
    ):
        torch.testing.assert_close(one, other)


class Normalised(dgmppl.Program):
    """A decoder with running statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)

    def decode(self, z: Tensor) -> Tensor:
        return self.drop(self.norm(z.reshape(-1, 3))).reshape(z.shape)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            pyro.sample("x", Normal(self.decode(z), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.norm.weight * x, 1.0).to_event(1))


def test_running_statistics_move_once_and_dropout_is_the_same() -> None:
    results = []
    for vectorized, chunk in ((False, None), (True, 1)):
        torch.manual_seed(0)
        program, x = Normalised(), torch.randn(4, 3)
        program.vectorized = vectorized
        binding = dgmppl.bind(program, x)
        objective = IWAE(num_particles=3, chunk_size=chunk)
        torch.manual_seed(1)
        gradient = gradients(objective, binding, x, 1)[0]
        results.append((gradient, program.norm.running_mean.clone()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    assert int(program.norm.num_batches_tracked) == 3


def saved_numbers(objective: Bound) -> int:
    """How many numbers autograd keeps for the backward pass of a step on 50 data."""
    torch.manual_seed(0)
    program, x = VAE(data_dim=16, z_dim=2, hidden_features=40), torch.ones(50, 16)
    binding = dgmppl.bind(program, x)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = objective.phases(binding)[0].loss(binding, x, Progress())
    assert loss.surrogate.requires_grad
    return sum(kept.values())


def test_memory_grows_by_the_tables_only() -> None:
    """A few numbers a particle and datum, where the whole program has over a hundred."""
    small, large = (saved_numbers(IWAE(num_particles=k, chunk_size=4)) for k in (8, 80))
    more = saved_numbers(IWAE(num_particles=80)) - saved_numbers(IWAE(num_particles=8))
    assert large - small < 10 * 72 * 50
    assert more > 100 * 72 * 50


def test_single_rewards_are_not_kept() -> None:
    with pytest.raises(ObjectiveError, match="chunk_size"):
        ELBO(4, chunk_size=2).check(dgmppl.bind(Mixed(), few_numbers()))
    with pytest.raises(ValueError, match="chunk_size"):
        IWAE(chunk_size=0)
