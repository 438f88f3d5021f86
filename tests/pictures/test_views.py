from __future__ import annotations

import numpy as np
import pytest
import torch

from dgmppl.models.char_rnn import CharRNN
from dgmppl.pictures import samples
from dgmppl.pictures.curve_cells import CurveCells
from dgmppl.pictures.image_cells import ImageCells
from dgmppl.pictures.line import Line
from dgmppl.pictures.plane import Plane
from dgmppl.pictures.view import view_of


def test_a_mosaic_has_each_picture_in_its_cell() -> None:
    cells = torch.rand(2, 3, 1, 4, 5)
    image = ImageCells((1, 4, 5)).grid(cells, cells, "", "").axes[0].images[0].get_array()
    assert image is not None and image.shape == (2 * 5, 3 * 6)
    np.testing.assert_allclose(image[6:10, 13:18], cells[1, 2, 0])


def test_colours_stay_colours() -> None:
    cells = torch.rand(1, 2, 3, 4, 4)
    image = ImageCells((3, 4, 4)).grid(cells, cells, "", "").axes[0].images[0].get_array()
    assert image is not None
    np.testing.assert_allclose(image[1:5, 1:5], cells[0, 0].movedim(0, -1), atol=1e-6)


def test_pixels_off_the_unit_range_are_stretched_to_it() -> None:
    cells = torch.linspace(-2.0, 2.0, 16).reshape(1, 1, 1, 4, 4)
    image = ImageCells((1, 4, 4)).grid(cells, cells, "", "").axes[0].images[0].get_array()
    assert image is not None
    assert np.nanmin(image) == 0.0 and np.nanmax(image) == 1.0


def test_a_matrix_has_a_scale_beside_it() -> None:
    view = view_of((6, 4))
    figure = view.cloud(torch.randn(4, 6, 4), torch.randn(4, 6, 4), "", "")
    assert len(figure.axes) == 2


def test_pairs_stand_below_each_other() -> None:
    above, below = torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)
    axes = ImageCells((1, 2, 2)).pairs(above, below, "", "").axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["data", "reconstructed"]
    image = axes.images[0].get_array()
    assert image is not None
    assert np.nanmax(image[:3]) == 0.0 and np.nanmin(image[3:]) == 1.0


@pytest.mark.parametrize("number", [1, 2, 5, 64, 65])
def test_a_table_is_filled_and_nearly_square(number: int) -> None:
    rows = torch.rand(number, 1, 4, 4)
    axes = ImageCells((1, 4, 4)).cloud(rows, rows, "", "").axes[0]
    columns, lines = axes.get_xlim()[1], axes.get_ylim()[0]
    assert columns * lines <= number < columns * (lines + 1) + 1


def test_curves_share_one_scale() -> None:
    cells = torch.tensor([[[0.0, 1.0, 2.0], [4.0, 3.0, 0.0]]])
    figure = CurveCells().grid(cells, cells, "", "note")
    curves = figure.axes[0].collections[0].get_segments()
    heights = 1 - np.stack(curves)[..., 1]
    assert heights.min() == pytest.approx(heights[0, 0]) == pytest.approx(heights[1, 2])
    assert heights.max() == pytest.approx(heights[1, 0])
    assert "from 0 (bottom) to 4 (top)" in figure.axes[0].get_title()


def test_constant_data_are_drawn() -> None:
    ones = torch.ones(4, 3)
    for view, rows in ((CurveCells(), ones), (Plane(), ones[:, :2]), (Line(), ones[:, 0])):
        assert view.cloud(rows, rows, "", "").axes


def test_texts_are_written_letter_by_letter() -> None:
    figure = samples(CharRNN(9, 12, 8), torch.zeros(3, 9).long(), 6, alphabet="0123456789+=")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    drawn = [text for text in texts if len(text) == 9]
    assert len(drawn) == 6 and all(set(text) <= set("0123456789+=") for text in drawn)
    assert "means" not in str(texts)
