"""Distances of samples are the distributions' own, up to their stated errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dgmppl.data import grid_centres, ring_centres
from dgmppl.evaluation import (
    class_coverage,
    classifier_two_sample_test,
    energy_distance,
    frechet_distance,
    inception_score,
    kernel_distance,
    maximum_mean_discrepancy,
    mode_coverage,
    parzen,
    precision_recall,
)


def normal(number: int, shift: float = 0.0, dim: int = 1) -> Tensor:
    return torch.randn(number, dim) + shift


def test_mmd_is_the_known_one() -> None:
    """Of N(0,1) and N(d,1) by one Gaussian kernel: 2 s/√(s²+2) (1 − exp(−d²/2(s²+2)))."""
    shift, widths = 1.0, [2.0**power for power in range(-2, 3)]
    exact = sum(
        2 * w / math.sqrt(w**2 + 2) * (1 - math.exp(-(shift**2) / (2 * (w**2 + 2)))) for w in widths
    ) / len(widths)
    found = maximum_mean_discrepancy(normal(2_000), normal(2_000, shift), bandwidth=1.0)
    assert abs(found.value - exact) < 4 * found.standard_error < 0.3 * exact


def test_energy_distance_is_the_known_one() -> None:
    """E|N(d, √2)| = √2·√(2/π)·exp(−d²/4) + d·erf(d/2), and E|N(0, √2)| = 2/√π."""
    shift = 1.0
    far = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    exact = 2 * far - 4 / math.sqrt(math.pi)
    found = energy_distance(normal(2_000), normal(2_000, shift))
    assert abs(found.value - exact) < 4 * found.standard_error < 0.3 * exact


@pytest.mark.parametrize("distance", [maximum_mean_discrepancy, energy_distance])
def test_without_a_difference_there_is_no_bias_and_p_is_even(distance: object) -> None:
    found = [
        distance(normal(60, dim=2), normal(60, dim=2), permutations=60)  # type: ignore[operator]
        for _ in range(60)
    ]
    values = torch.tensor([each.value for each in found])
    assert abs(float(values.mean())) < 4 * float(values.std()) / 60**0.5
    low = sum(each.p_value <= 0.25 for each in found)
    assert abs(low / 60 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 60)
    apart = distance(normal(60, dim=2), normal(60, 1.5, dim=2), permutations=60)  # type: ignore[operator]
    assert apart.p_value < 0.02


def test_errors_of_distances_are_those_of_repeated_samples() -> None:
    found = [
        maximum_mean_discrepancy(normal(200), normal(200, 1.0), bandwidth=1.0) for _ in range(60)
    ]
    spread = float(torch.tensor([each.value for each in found]).std())
    stated = sum(each.standard_error for each in found) / 60
    assert 0.7 < stated / spread < 1.4


def test_shapes_must_agree() -> None:
    for distance in (maximum_mean_discrepancy, energy_distance, classifier_two_sample_test):
        with pytest.raises(ValueError, match="as many draws as data"):
            distance(normal(10), normal(11))


def test_classifiers_find_what_is_there() -> None:
    same = classifier_two_sample_test(normal(600, dim=2), normal(600, dim=2))
    assert abs(same.value - 0.5) < 4 * same.standard_error and same.p_value > 1e-3
    apart = classifier_two_sample_test(normal(600, dim=2), normal(600, 1.0, dim=2))
    best = 0.5 * (1 + math.erf(math.sqrt(2) / (2 * math.sqrt(2))))  # Φ(½‖d‖), d = (1, 1)
    assert apart.p_value < 1e-6 and abs(apart.value - best) < 0.06


def test_precision_and_recall_tell_quality_from_diversity() -> None:
    data = torch.cat([normal(500, -5.0, 2), normal(500, 5.0, 2)])
    half = normal(1_000, 5.0, 2)
    precision, recall = precision_recall(data, half)
    assert precision.value > 0.9 and abs(recall.value - 0.5) < 0.1
    precision, recall = precision_recall(half, data)
    assert abs(precision.value - 0.5) < 0.1 and recall.value > 0.9


def test_modes_are_counted() -> None:
    centres = ring_centres()
    draws = centres.repeat(50, 1) + 0.01 * torch.randn(400, 2)
    found = mode_coverage(draws, centres, 0.01)
    chance = math.exp(-4.5)  # of a Gaussian in the plane beyond three scales
    assert (found.found, found.number) == (8, 8)
    assert abs(found.good - (1 - chance)) < 4 * math.sqrt(chance / 400) and found.divergence < 0.02
    one = mode_coverage(centres[:1].repeat(10, 1), centres, 0.01)
    assert one.found == 1 and one.divergence == pytest.approx(math.log(8))
    nowhere = mode_coverage(torch.full((10, 2), 1.0), grid_centres(), 0.05)
    assert (nowhere.found, nowhere.good, nowhere.divergence) == (0, 0.0, 0.0)


def test_classes_are_counted() -> None:
    """The divergence of n even draws from K classes is (K − 1)/2n on average, with chi² spread."""
    number, n = 100, 20_000
    found = class_coverage(torch.randint(number, (n,)), number)
    spread = math.sqrt(2 * (number - 1)) / (2 * n)
    assert found.found == number and found.good is None
    assert abs(found.divergence - (number - 1) / (2 * n)) < 4 * spread
    one = class_coverage(torch.zeros(9, dtype=torch.long), number)
    assert one.found == 1 and one.divergence == pytest.approx(math.log(number))
    with pytest.raises(ValueError, match="from 0 to 2, got 0 to 3"):
        class_coverage(torch.arange(4), 3)


def test_inception_score_at_its_ends() -> None:
    assert inception_score(torch.full((100, 10), 0.1)).value == pytest.approx(1.0)
    assert inception_score(torch.eye(10)[:1].repeat(100, 1)).value == pytest.approx(1.0)
    assert inception_score(torch.eye(10).repeat(100, 1)).value == pytest.approx(10.0)
    with pytest.raises(ValueError, match="fewer splits"):
        inception_score(torch.eye(5))


def test_parzen_is_the_density_of_its_gaussians() -> None:
    found = parzen(torch.zeros(5, 3), torch.zeros(7, 3), scale=0.5)
    assert found.value == pytest.approx(-3 * math.log(0.5 * math.sqrt(2 * math.pi)))
    many = parzen(normal(2_000), normal(2_000), scale=0.3)
    exact = -0.5 * math.log(2 * math.pi * 1.09) - 0.5 / 1.09  # E log N(x; 0, 1 + 0.3²)
    assert abs(many.value - exact) < 4 * many.standard_error + 0.01


def test_frechet_distance_of_gaussians_is_the_known_one() -> None:
    """Of N(0, I) and N(d, s² I): ‖d‖² + n (1 − s)²; the bootstrap's error is its spread."""
    exact = 4 * 0.5**2 + 4 * (1 - 1.5) ** 2
    found = [
        frechet_distance(normal(2_000, dim=4), 0.5 + 1.5 * normal(2_000, dim=4)) for _ in range(10)
    ]
    values = torch.tensor([each.value for each in found])
    assert abs(float(values.mean()) - exact) < 0.05 * exact
    stated = sum(each.standard_error for each in found) / 10
    assert 0.4 < stated / float(values.std()) < 2.5


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`:UserWarning")
def test_kernel_distance_is_that_of_torchmetrics() -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    x, y = normal(200, dim=5), normal(200, 0.5, dim=5)
    theirs = KernelInceptionDistance(torch.nn.Identity(), subsets=1, subset_size=200)
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    assert kernel_distance(x, y).value == pytest.approx(float(theirs.compute()[0]), rel=0.05)


def test_features_are_a_networks() -> None:
    pictures = torch.rand(1_200, 1, 4, 4)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.BatchNorm1d(3))
    same = frechet_distance(pictures[:600], pictures[600:], net, resamples=3)
    darker = frechet_distance(pictures[:600], 0.5 * pictures[600:], net, resamples=3)
    assert same.value < darker.value and net.training
    with pytest.raises(ValueError, match="features \\[n, d\\]"):
        frechet_distance(pictures, pictures)
