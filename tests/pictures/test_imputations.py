"""What is observed, what may be missing, and the truth, in a table."""

from __future__ import annotations

import pytest
import torch
from matplotlib.collections import LineCollection

import dgmppl
from dgmppl import pictures
from dgmppl.models.vae import VAE

LABELS = ["observed", "imputed 1", "imputed 2", "imputed 3", "mean"]


@pytest.mark.parametrize(("features", "shape"), [(9, (1, 3, 3)), (9, None), (2, None), (1, None)])
def test_rows_are_labelled_and_what_is_missing_is_marked(
    features: int, shape: tuple[int, ...] | None
) -> None:
    program = dgmppl.Incomplete(VAE(features, z_dim=2))
    truth = torch.rand(4, features).round()
    x = truth.masked_fill(torch.eye(4, features).bool(), torch.nan)
    state = torch.get_rng_state()
    figure = pictures.imputations(program, x, truth=truth, num_particles=200, image_shape=shape)
    assert torch.equal(torch.get_rng_state(), state)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [*LABELS, "truth"]
    if shape:
        mosaic = torch.as_tensor(axes.images[0].get_array())
        assert int((mosaic[1:4, 1:4] == 0.5).sum()) == 1  # the first picture's missing pixel
    else:
        curves = next(c for c in axes.collections if isinstance(c, LineCollection))
        assert len(curves.get_segments()) == 24


def test_without_the_truth_and_without_a_reading_program() -> None:
    program, x = VAE(5, z_dim=2), torch.ones(3, 5)
    figure = pictures.imputations(dgmppl.Incomplete(program), x, num_particles=200)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == LABELS
    with pytest.raises(dgmppl.ProgramError, match="reads missing entries"):
        pictures.imputations(program, x)
