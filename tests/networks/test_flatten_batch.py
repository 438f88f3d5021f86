"""Any leading dimensions give what one at a time gives."""

import pytest
import torch
from torch import nn

from dgmppl.networks import flatten_batch


def test_leading_dimensions_do_not_matter() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten())
    x = torch.randn(4, 5, 2, 6, 6)
    many = flatten_batch(net)(x)
    one = torch.stack([torch.stack([net(image[None])[0] for image in row]) for row in x])
    assert torch.allclose(many, one, atol=1e-5)
    assert torch.allclose(flatten_batch(net)(x[0, 0]), one[0, 0], atol=1e-5)


def test_too_few_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        flatten_batch(nn.Conv2d(1, 1, 3))(torch.zeros(6, 6))
