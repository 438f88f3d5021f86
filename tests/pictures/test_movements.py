"""Traversal, interpolation, reconstructions and scatter, read back from the figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from pictures.programs import Linear

from dgmppl import pictures

WEIGHT = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
BACK = torch.tensor([[0.1, 0.0], [0.0, 1.0]])


@pytest.fixture
def program() -> Linear:
    return Linear(WEIGHT, BACK)


def test_traversal_moves_one_unit_and_holds_the_others(program: Linear) -> None:
    x = torch.randn(20, 2)
    axes = pictures.traversal(program, x, datum=3, steps=5).axes[0]
    paths = {line.get_label(): line.get_xydata() for line in axes.lines}
    for unit in (0, 1):
        z = (x[3] @ BACK.T).repeat(5, 1)
        z[:, unit] = torch.linspace(-3.0, 3.0, 5)
        np.testing.assert_allclose(paths[f"z[{unit}]"], z @ WEIGHT.T, atol=1e-5)


def test_traversal_puts_the_most_active_first_unless_told(program: Linear) -> None:
    x = torch.randn(20, 2)

    def rows(figure: Figure) -> list[str]:
        return [t.get_text() for t in figure.axes[0].get_legend().get_texts()][1:]

    assert rows(pictures.traversal(program, x)) == ["z[1]", "z[0]"]
    assert rows(pictures.traversal(program, x, "z", [0])) == ["z[0]"]


def test_interpolation_is_straight_between_the_posterior_means(program: Linear) -> None:
    x0, x1 = torch.randn(3, 2), torch.randn(3, 2)
    axes = pictures.interpolation(program, x0, x1, steps=3).axes[0]
    paths = [line.get_xydata() for line in axes.lines if "pair" in str(line.get_label())]
    for path, a, b in zip(paths, x0, x1, strict=True):
        z = torch.stack([a, (a + b) / 2, b]) @ BACK.T
        np.testing.assert_allclose(path, z @ WEIGHT.T, atol=1e-5)


def test_interpolation_needs_pairs(program: Linear) -> None:
    with pytest.raises(ValueError, match="one length, got 3 and 2"):
        pictures.interpolation(program, torch.randn(3, 2), torch.randn(2, 2))


def test_reconstructions_are_joined_to_their_data(program: Linear) -> None:
    x = torch.randn(6, 2)
    axes = pictures.reconstructions(program, x, 4).axes[0]
    segments = np.stack(axes.collections[0].get_segments())
    np.testing.assert_allclose(segments[:, 0], x[:4], atol=1e-6)
    np.testing.assert_allclose(segments[:, 1], axes.collections[2].get_offsets())


def test_samples_in_the_plane_are_draws_and_repeatable(program: Linear) -> None:
    x = torch.randn(500, 2)
    first, second = (pictures.samples(program, x).axes[1].collections[0] for _ in range(2))
    np.testing.assert_array_equal(first.get_offsets(), second.get_offsets())
    spread = np.cov(np.asarray(first.get_offsets()).T)
    expected = (WEIGHT @ WEIGHT.T).numpy() + 0.01 * np.eye(2)
    np.testing.assert_allclose(spread, expected, atol=1.5)


def test_scatter_shows_two_units_as_they_are(program: Linear) -> None:
    x = torch.randn(9, 2)
    points = pictures.latent_scatter(program, x).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, x @ BACK.T, atol=1e-6)


def test_scatter_of_more_units_is_by_principal_components() -> None:
    back = torch.tensor([[3.0], [4.0], [0.0]])  # all means lie on one line
    program = Linear(torch.ones(1, 3), back)
    x = torch.randn(50, 1)
    axes = pictures.latent_scatter(program, x).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert "100 %" in axes.get_xlabel()
    centred = (x - x.mean()).squeeze().numpy()
    np.testing.assert_allclose(np.abs(points[:, 0]), np.abs(5 * centred), atol=1e-4)


def test_classes_have_colours_and_numbers_a_scale(program: Linear) -> None:
    x = torch.randn(30, 2)
    few = pictures.latent_scatter(program, x, torch.arange(30) % 3)
    assert len(few.axes[0].collections) == 3
    many = pictures.latent_scatter(program, x, torch.arange(30))
    assert len(many.axes) == 2
