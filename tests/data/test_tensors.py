"""Data in memory keep rows, labels and record together."""

import json

import pytest
import torch

from dgmppl.data import TensorData

X = torch.arange(12.0).reshape(6, 2)


def mixed() -> TensorData:
    values = {"x": X, "length": torch.arange(6)}
    return TensorData(values, record={"name": "mine", "split": "train"}, labels=torch.arange(6) % 2)


def test_the_record_is_complete_and_fits_json():
    data = mixed()
    expected = {
        "name": "mine",
        "split": "train",
        "number": 6,
        "shape": {"x": [2], "length": []},
    }
    assert json.loads(json.dumps(data.record)) == expected
    assert TensorData(X).record == {"name": "unnamed", "number": 6, "shape": [2]}


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, 2), [0, 2, 4]),
        (slice(None, None, -2), [5, 3, 1]),
        (torch.tensor([5, 0, -1]), [5, 0, 5]),
        ([2, 2], [2, 2]),
        ([], []),
        (torch.arange(6) > 3, [4, 5]),
    ],
)
def test_a_subset_has_the_rows_their_labels_and_a_note(index, rows):
    part = mixed()[index]
    assert len(part) == len(rows) == part.record["number"]
    assert torch.equal(part.values["x"], X[rows])
    assert part.values["length"].tolist() == rows
    assert part.labels.tolist() == [row % 2 for row in rows]
    assert part.record["name"] == "mine"
    assert part.record["subset"][0].endswith("of 6")


def test_notes_of_subsets_of_subsets_add_up():
    part = mixed()[1:5][torch.tensor([0, 1])]
    assert part.record["subset"] == ["rows 1:5 of 6", "2 rows by index of 4"]
    assert "subset" not in mixed().record


def test_first_takes_what_there_is():
    data = mixed()
    assert data.first(2).values["x"].tolist() == X[:2].tolist()
    assert data.first(6) is data
    assert data.first(100) is data


@pytest.mark.parametrize("wrong", [0, "x", 1.5, torch.tensor([0.5]), torch.tensor([[0]])])
def test_other_indices_are_refused(wrong):
    with pytest.raises(TypeError):
        mixed()[wrong]


def test_a_draw_is_transformed_and_the_values_are_not():
    data = TensorData(X, transform=lambda rows: rows + 1)
    assert torch.equal(data.draw(), X + 1)
    assert torch.equal(data.draw(torch.tensor([3, 1])), X[[3, 1]] + 1)
    assert torch.equal(data.draw(slice(2)), X[:2] + 1)
    assert torch.equal(data[:2].draw(), X[:2] + 1)
    assert torch.equal(data.values, X)


def test_data_carry_no_gradient():
    assert not TensorData(X.clone().requires_grad_()).values.requires_grad


def test_unequal_entries_are_named():
    with pytest.raises(ValueError, match="'x': 6, 'mask': 5"):
        TensorData({"x": X, "mask": X[:5]})
    with pytest.raises(ValueError, match="'0': 6, '1': 2"):
        TensorData((X, X[:2]))


def test_labels_must_be_as_many_as_the_data():
    with pytest.raises(ValueError, match="label for each of 6"):
        TensorData(X, labels=torch.zeros(5))


def test_values_must_be_tensors():
    with pytest.raises(TypeError, match="got ndarray"):
        TensorData(X.numpy())
    with pytest.raises(ValueError, match="first dimension"):
        TensorData(torch.tensor(1.0))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_check_names_entry_number_and_first_row(wrong):
    bad = X.clone()
    bad[2, 1] = bad[4] = wrong
    with pytest.raises(ValueError, match=r"got 3 .* entry 'values', first in row 2\."):
        TensorData(bad).check()
    with pytest.raises(ValueError, match=r"entry 'y', first in row 2\."):
        TensorData({"x": X, "y": bad}).check()
    with pytest.raises(ValueError, match=r"got 1 .* entry '1', first in row 4\."):
        TensorData((X, bad[:, 0])).check()


def test_check_accepts_finite_values_integers_and_no_rows():
    mixed().check()
    TensorData((X, torch.arange(6), X > 1)).check()
    TensorData(X[:0]).check()


def test_data_move_to_a_device_with_their_labels():
    moved = mixed().to("meta")
    assert {t.device.type for t in (*moved.values.values(), moved.labels)} == {"meta"}
    assert len(moved) == 6


def test_the_representation_shows_the_record():
    assert repr(TensorData(X)) == "TensorData(name='unnamed', number=6, shape=[2])"
