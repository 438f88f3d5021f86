"""The equation a + s · tanh a = t, for numbers and for triangular systems of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["tanh_root", "triangular_tanh_root"]

STEPS = 12  # of Newton's method: to the last bit for slopes from −0.999 to 10,000


def tanh_root(slope: Tensor, target: Tensor) -> Tensor:
    """The a with a + slope · tanh a = target, with its first derivatives.

    Both sides are odd, so let the target be positive. Then tanh a ≤ a and tanh a ≤ 1 bound the root
    from one side, where the left side is concave (slope > 0) or convex (slope < 0): Newton's method
    goes from the bound to the root without passing it.

    Arguments:
        slope: Greater than −1, so that the left side rises; `[*batch]`.
        target: `[*batch]`.

    Example:
        >>> a = tanh_root(torch.tensor(-0.9), torch.tensor(0.3))
        >>> a - 0.9 * a.tanh()
        tensor(0.3000)
    """
    root = _newton(slope.detach(), target.detach())
    act = root.tanh()
    rise = 1 + slope.detach() * (1 - act.square())
    return root - (root + slope * act - target) / rise  # a step of zero, with derivatives


def triangular_tanh_root(matrix: Tensor, target: Tensor) -> Tensor:
    """The a with a + matrix · tanh a = target, with its first derivatives.

    The last coordinate stands alone in its equation; the others follow one by one.

    Arguments:
        matrix: Upper triangular with a diagonal greater than −1, `[*batch, M, M]`.
        target: `[*batch, M]`.

    Example:
        >>> matrix = torch.tensor([[0.5, 3.0], [0.0, -0.5]])
        >>> a = triangular_tanh_root(matrix, torch.tensor([1.0, 2.0]))
        >>> a + matrix @ a.tanh()
        tensor([1.0000, 2.0000])
    """
    root = _back_substitution(matrix.detach(), target.detach())
    act = root.tanh()
    one = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    rise = one + matrix.detach() * (1 - act.square()).unsqueeze(-2)
    error = root + torch.einsum("...ij,...j->...i", matrix, act) - target
    step = torch.linalg.solve_triangular(rise, error.unsqueeze(-1), upper=True)
    return root - step.squeeze(-1)  # a step of zero, with derivatives


def _newton(slope: Tensor, target: Tensor) -> Tensor:
    size = target.abs()
    by_line, by_one = size / (1 + slope), size - slope
    root = torch.where(slope > 0, torch.maximum(by_line, by_one), torch.minimum(by_line, by_one))
    for _ in range(STEPS):
        act = root.tanh()
        root = root - (root + slope * act - size) / (1 + slope * (1 - act.square()))
    return root.copysign(target)


def _back_substitution(matrix: Tensor, target: Tensor) -> Tensor:
    size = target.shape[-1]
    act, roots = torch.zeros_like(target), [target[..., 0]] * size
    for i in reversed(range(size)):
        rest = (matrix[..., i, i + 1 :] * act[..., i + 1 :]).sum(-1)
        roots[i] = _newton(matrix[..., i, i], target[..., i] - rest)
        act[..., i] = roots[i].tanh()
    return torch.stack(roots, -1)
