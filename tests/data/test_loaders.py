"""A loader's batches arrive whole, as tensors, in tuples and mappings."""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from dgmppl.data import LoaderData, batches

X = torch.arange(10.0).reshape(5, 2)


class Rows(Dataset):
    """A data set of mappings."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.read.append(index)
        return {"x": X[index], "length": index}


class Stream(IterableDataset):
    """A data set without a length."""

    def __iter__(self):
        return iter(X)


def test_a_data_set_is_read_in_order_and_once():
    got = list(batches(LoaderData(Rows()), 2))
    assert all(batch.index is None for batch in got)
    assert [len(batch.x["x"]) for batch in got] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.x["x"] for batch in got]), X)


@pytest.mark.parametrize("source", [TensorDataset(X), DataLoader(TensorDataset(X), 2)])
def test_a_sequence_of_one_is_that_one(source):
    assert torch.equal(next(batches(LoaderData(source), 2)).x, X[:2])


def test_pairs_are_tuples():
    images, labels = next(batches(LoaderData(TensorDataset(X, torch.arange(5))), 5)).x
    assert torch.equal(images, X)
    assert labels.tolist() == [0, 1, 2, 3, 4]


def test_shuffling_visits_each_datum_once_in_an_order_of_the_global_seed():
    def order():
        pairs = [batch.x["length"] for batch in batches(LoaderData(Rows()), 2, shuffle=True)]
        return torch.cat(pairs).tolist()

    torch.manual_seed(0)
    first, second = order(), order()
    torch.manual_seed(0)
    assert first == order()
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert first != second


@pytest.mark.parametrize("start", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("whole", [Rows, lambda: DataLoader(Rows(), 2, shuffle=True)])
def test_a_late_start_leaves_the_rest_of_the_same_pass(start, whole):
    def lengths(start):
        torch.manual_seed(3)
        read = batches(LoaderData(whole()), 2, shuffle=True, start=start)
        return [batch.x["length"].tolist() for batch in read]

    assert lengths(start) == lengths(0)[start:]


def test_no_size_is_one_batch_of_all():
    assert [len(batch.x) for batch in batches(LoaderData(TensorDataset(X)), None)] == [5]


def test_a_loader_keeps_its_own_size():
    data = LoaderData(DataLoader(TensorDataset(X), batch_size=3))
    assert [len(batch.x) for batch in batches(data, 2)] == [3, 2]


@pytest.mark.parametrize("source", [Rows(), DataLoader(Rows(), 2)])
def test_length_counts_data_not_batches(source):
    assert len(LoaderData(source)) == 5
    assert LoaderData(source).record == {"name": "Rows", "number": 5}


@pytest.mark.parametrize("source", [Stream(), DataLoader(Stream(), 2)])
def test_a_stream_can_be_read_but_has_no_length(source):
    data = LoaderData(source)
    assert torch.equal(torch.cat([b.x for b in batches(data, 2, shuffle=True)]), X)
    assert data.record == {"name": "Stream"}
    with pytest.raises(ValueError, match="Try a Dataset with __len__"):
        len(data)


def test_other_sources_are_refused():
    with pytest.raises(TypeError, match="got Tensor"):
        LoaderData(X)


def test_batches_without_tensors_are_refused():
    with pytest.raises(TypeError, match="got str"):
        next(batches(LoaderData(DataLoader(["a", "b"], collate_fn=lambda rows: rows[0])), 1))
    rows = DataLoader([(X[0], "a")], collate_fn=lambda rows: rows[0])
    with pytest.raises(TypeError, match="got str"):
        next(batches(LoaderData(rows), 1))
