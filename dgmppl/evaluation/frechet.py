"""Distances of pictures in the features of a network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from dgmppl.evaluation.measure import Measure
from dgmppl.evaluation.two_sample import compared
from dgmppl.traces import evaluating

__all__ = ["frechet_distance", "kernel_distance"]

Features = Callable[[Tensor], Tensor]


def frechet_distance(
    data: Tensor,
    draws: Tensor,
    features: Features | None = None,
    *,
    resamples: int = 20,
    seed: int = 0,
) -> Measure:
    """‖m − m'‖² + tr(C + C' − 2 (C C')^½) of two samples' features: with Inception's, the FID.

    It is biased: it falls with the number of samples, so that figures compare at equal numbers and
    with the same network only. The error is the bootstrap's.

    Arguments:
        data: Pictures `[n, …]`, or their features `[n, d]`.
        draws: Likewise, `[m, …]`.
        features: Pictures → features `[B, d]`, such as a classifier's last hidden layer; `None`
            takes data and draws as features.
        resamples: Of the bootstrap.
        seed: Likewise.

    Raises:
        ModuleNotFoundError: Without torchmetrics, which computes it.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, Martin
        Heusel et al., 2017. https://arxiv.org/abs/1706.08500
    """
    x, y = _features(data, features), _features(draws, features)
    value = _frechet(x, y)
    generator = torch.Generator().manual_seed(seed)
    again = [_frechet(_drawn(x, generator), _drawn(y, generator)) for _ in range(resamples)]
    error = float(torch.tensor(again).std()) if resamples > 1 else float("nan")
    caution = f"biased: at {len(x)} and {len(y)} samples, by this network"
    return Measure("Fréchet distance", value, error, caution)


def kernel_distance(
    data: Tensor,
    draws: Tensor,
    features: Features | None = None,
    *,
    permutations: int = 0,
    seed: int = 0,
) -> Measure:
    """MMD² of features by the kernel (⟨x, y⟩/d + 1)³: with Inception's, the KID. It has no bias.

    Arguments:
        data: As of `frechet_distance`.
        draws: As many.
        features: Likewise.
        permutations: As of `maximum_mean_discrepancy`.
        seed: Likewise.

    References:
        Demystifying MMD GANs, Mikołaj Bińkowski et al., 2018. https://arxiv.org/abs/1801.01401
    """
    x, y = _features(data, features), _features(draws, features)
    if x.shape != y.shape:
        raise ValueError(
            f"Expected as many draws as data, got {len(y)} and {len(x)}. Try data[:n], draws[:n]."
        )
    joint = torch.cat([x, y])
    kernel = (joint @ joint.T / joint.shape[1] + 1.0) ** 3
    caution = "sees three moments of this network's features"
    return compared(kernel, len(x), "kernel distance", caution, permutations, seed)


@torch.no_grad()
def _features(pictures: Tensor, features: Features | None) -> Tensor:
    """`[n, d]` in double precision, on the CPU."""
    if features is None:
        found = pictures
    else:
        steady = evaluating(features) if isinstance(features, nn.Module) else nullcontext()
        with steady:
            found = torch.cat([features(part) for part in pictures.split(500)])
    if found.dim() != 2:
        raise ValueError(
            f"Expected features [n, d], got shape {tuple(found.shape)}. Try features=… with a "
            "network that gives one row a picture."
        )
    return found.double().cpu()


class _AsTheyAre(nn.Module):
    """Features that were computed before."""

    def __init__(self, number: int):
        super().__init__()
        self.num_features = number

    def forward(self, x: Tensor) -> Tensor:
        return x


def _frechet(x: Tensor, y: Tensor) -> float:
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "frechet_distance needs torchmetrics. Try pip install 'dgmppl[metrics]'."
        ) from error
    metric = FrechetInceptionDistance(_AsTheyAre(x.shape[1]))
    metric.update(x, real=True)
    metric.update(y, real=False)
    return float(metric.compute())


def _drawn(x: Tensor, generator: torch.Generator) -> Tensor:
    return x[torch.randint(len(x), (len(x),), generator=generator)]
