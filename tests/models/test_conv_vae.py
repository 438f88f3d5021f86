"""Pictures of any size that can be halved twice, under any number of particles."""

from __future__ import annotations

import pytest
import torch

import dgmppl
from dgmppl.models.conv_vae import ConvVAE


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (1, 28, 20)])
def test_it_takes_pictures_of_this_size(shape: tuple[int, int, int]) -> None:
    program, x = ConvVAE(shape, z_dim=3, channels=4), torch.ones(2, *shape)
    tables = dgmppl.weights(program, x, num_particles=7)
    assert tables.log_p["x"].shape == tables.log_q["z"].shape == (7, 2)
    assert program.model(n=3).shape == (3, *shape)


@pytest.mark.parametrize("shape", [(1, 9, 8), (1, 28, 30), (3, 32, 32)])
def test_it_refuses_pictures_of_that_size(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"Expected one channel.*Try padding"):
        ConvVAE(shape)


def test_a_particle_scores_as_it_would_alone() -> None:
    program = ConvVAE((1, 8, 8), z_dim=3, channels=4)
    z = torch.randn(5, 2, 3)
    together = program.decoder(z)
    torch.testing.assert_close(together[3], program.decoder(z[3]), rtol=1e-4, atol=1e-5)
