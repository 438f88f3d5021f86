"""Programs of clouds draw shapes, and their critics and guides do not see the points' order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dgmppl
from dgmppl.data import load
from dgmppl.evaluation import cloud_measures
from dgmppl.models.point_cloud_gan import CloudAutoencoder, CloudGAN, recipes


def clouds(n: int, split: str = "test") -> Tensor:
    values = load("furniture", split, n=n).values
    assert isinstance(values, Tensor)
    return values


def test_the_order_of_points_is_not_seen() -> None:
    torch.manual_seed(0)
    x, z, order = clouds(5), torch.randn(5, 3), torch.randperm(128)
    gan = CloudGAN(z_dim=3, hidden_features=16)
    torch.testing.assert_close(gan.critic(x, z), gan.critic(x[:, order], z))
    torch.testing.assert_close(gan.encoder(x), gan.encoder(x[:, order]))
    mixture = CloudAutoencoder(z_dim=3, hidden_features=16)
    torch.testing.assert_close(mixture.encoder(x), mixture.encoder(x[:, order]))


@pytest.mark.slow
def test_its_draws_are_shapes() -> None:
    """They are nearer to held-out data than clouds whose points come from many of the data."""
    program = recipes["point-cloud-aae"].learn(device="cpu", progress=False).program
    data = clouds(100)
    coverage, matching, accuracy = cloud_measures(data, dgmppl.generate(program, 100, seed=0)["x"])
    points = clouds(100, "train").flatten(0, 1)
    mixed = points[torch.randperm(len(points))].reshape(100, 128, 3)
    assert matching.value < 0.5 * cloud_measures(data, mixed)[1].value
    assert coverage.value > 0.4 and accuracy.value < 0.95
