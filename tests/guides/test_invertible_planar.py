"""A planar map's u made to fit: no slope reaches −1, and no gradient grows where w is short."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dgmppl.guides.invertible_planar import rising

DOUBLE = torch.float64


def gradients(u: Tensor, w: Tensor) -> Tensor:
    """Those of û and of its slope by u and w, each part of û for itself."""
    inputs = [u.requires_grad_(), w.requires_grad_()]
    moved, slope = rising(*inputs)
    outputs = [*moved.unbind(-1), slope]
    found = [torch.autograd.grad(o.sum(), inputs, retain_graph=True) for o in outputs]
    return torch.cat([torch.cat(pair, -1) for pair in found], -1)


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("length", [1e-1, 1e-3, 1e-6, 1e-20, 0.0])
def test_gradients_where_the_normal_is_short(size: int, length: float) -> None:
    generator = torch.Generator().manual_seed(0)
    u, w = torch.randn(2, 200, size, generator=generator)
    w = length * w / w.norm(dim=-1, keepdim=True)
    exact = gradients(u.detach().to(DOUBLE), w.detach().to(DOUBLE))
    assert (gradients(u, w) - exact).abs().max() < 1e-5
    assert exact.abs().max() < 20


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_slopes_rise_from_above_minus_one_with_no_end(dtype: torch.dtype) -> None:
    along = torch.cat([-torch.logspace(30, -6, 500), torch.logspace(-6, 30, 500)]).to(dtype)
    moved, slope = rising(along[:, None], torch.ones(1000, 1, dtype=dtype))
    assert (slope > -1).all() and slope[-1] > 1e29
    assert (slope.diff() > torch.where(along[1:] > -8, 0.0, -4 * torch.finfo(dtype).eps)).all()
    assert torch.equal(moved[:, 0], slope)


def test_every_admissible_vector_is_reached() -> None:
    """The slope is found by bisection; u is then û, longer."""
    wanted = torch.tensor([-0.998, -0.5, -1e-3, 1e-3, 2.0, 50.0], dtype=DOUBLE)[:, None]
    w = torch.tensor([0.3, -2.0, 0.1], dtype=DOUBLE)
    target = torch.tensor([1.0, 0.5, -3.0], dtype=DOUBLE)
    target = target + (wanted - target @ w) * w / w.square().sum()
    low, high = torch.full_like(wanted, 0.1), torch.full_like(wanted, 1e4)
    for _ in range(100):
        middle = (low + high) / 2
        short = (rising(middle * target, w)[1][:, None] / wanted) < 1
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    torch.testing.assert_close(rising(low * target, w)[0], target)
