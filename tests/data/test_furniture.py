"""Furniture whose points lie evenly on its surface."""

from __future__ import annotations

import torch
from torch import Tensor

from dgmppl.data import FURNITURE, load
from dgmppl.data.furniture import _on_boxes


def test_points_are_even_on_the_faces_of_a_box() -> None:
    """Each pair of faces has its share of the area; on a face, places are uniform."""
    sizes = torch.tensor([[[1.0, 2.0, 4.0]]])
    points = _on_boxes(torch.zeros(1, 1, 3), sizes, 40_000, torch.Generator().manual_seed(0))[0]
    on = (points.abs() - sizes[0, 0] / 2).abs() < 1e-6
    share = on.double().mean(0)
    area = torch.tensor([8.0, 4.0, 2.0]).double() / 14
    assert bool(((share - area).abs() < 4 * (area * (1 - area) / 40_000).sqrt()).all())
    z = points[on[:, 0], 2]  # on the faces across x, uniform from −2 to 2: variance 4²/12
    assert abs(float(z.var()) - 16 / 12) < 0.05 and abs(float(z.mean())) < 0.05


def test_clouds_are_centred_and_named() -> None:
    clouds = load("furniture", n=40)
    assert isinstance(clouds.values, Tensor) and clouds.labels is not None
    middle = clouds.values.amax(1) + clouds.values.amin(1)
    assert float(middle.abs().max()) < 1e-5 and float(clouds.values.abs().max()) < 1.2
    assert clouds.labels.bincount().tolist() == [10] * len(FURNITURE)
