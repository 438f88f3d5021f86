"""An autoencoder learns to reconstruct, the better the larger its code."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch.distributions import Normal

import dgmppl
from dgmppl.data import load
from dgmppl.models.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder, recipes
from dgmppl.objectives import Progress

ADAM = partial(torch.optim.Adam, lr=3e-3)
RECONSTRUCTION = recipes["autoencoder"].objective


def held_out_error(program: Autoencoder, *, flatten: bool, epochs: int) -> float:
    """Mean squared error of a pixel on digits that were not learned from."""
    train = load("digits", flatten=flatten)
    dgmppl.fit(
        program, train, RECONSTRUCTION, optimizer=ADAM, epochs=epochs, device="cpu", progress=False
    )
    x = load("digits", "test", flatten=flatten).values
    with torch.no_grad():
        return float((program.decoder(program.encoder(x)) - x).square().mean())


def test_reconstruction_improves_with_the_size_of_the_code() -> None:
    errors = [
        held_out_error(DenseAutoencoder(data_dim=64, z_dim=size), flatten=True, epochs=25)
        for size in (1, 2, 4, 8, 16)
    ]
    assert all(larger < 0.9 * smaller for smaller, larger in pairwise(errors))


def test_reconstruction_improves_with_the_size_of_the_code_through_convolutions() -> None:
    errors = [
        held_out_error(ConvAutoencoder((1, 8, 8), z_dim=size), flatten=False, epochs=15)
        for size in (1, 4, 16)
    ]
    assert all(larger < 0.9 * smaller for smaller, larger in pairwise(errors))


@pytest.mark.parametrize(
    ("program", "shape"),
    [
        (DenseAutoencoder(data_dim=64, z_dim=3), (64,)),
        (ConvAutoencoder((1, 8, 8), z_dim=3), (1, 8, 8)),
        (ConvAutoencoder((1, 28, 20), z_dim=3), (1, 28, 20)),
    ],
)
def test_it_learns_the_reconstruction_and_nothing_else(
    program: Autoencoder, shape: tuple[int, ...]
) -> None:
    x = torch.rand(5, *shape)
    binding = dgmppl.bind(program, x)
    (phase,) = RECONSTRUCTION.phases(binding)
    loss = phase.loss(binding, x, Progress())
    image = Normal(program.decoder(program.encoder(x)), program.scale)
    expected = image.log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(loss.surrogate, -expected)
    torch.testing.assert_close(loss.terms["x"], expected.detach())


def test_the_code_is_one_point() -> None:
    program, x = DenseAutoencoder(data_dim=64, z_dim=3), torch.rand(4, 64)
    assert torch.equal(program.guide(x), program.guide(x))
    assert dgmppl.bind(program, x).sites["z"].point
