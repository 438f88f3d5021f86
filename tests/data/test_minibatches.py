"""A pass over data visits each datum once, in an order that can be repeated and resumed."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from dgmppl.data import DynamicBinarisation, LoaderData, Part, TensorData, batches

X = torch.arange(14.0).reshape(7, 2)


def noisy() -> TensorData:
    return TensorData(torch.full((7, 20), 0.5), transform=DynamicBinarisation())


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [1, 3, 7, 100, None])
@pytest.mark.parametrize(
    "values",
    [X, {"x": X, "row": torch.arange(7)}, (X, torch.arange(7))],
    ids=["one", "map", "tuple"],
)
def test_each_datum_comes_once_beside_its_index(values, size, shuffle):
    seen = []
    for index, x, _ in batches(TensorData(values), size, shuffle=shuffle):
        assert type(x) is type(values)
        tensor = x if isinstance(x, torch.Tensor) else x["x"] if isinstance(x, dict) else x[0]
        assert torch.equal(tensor, X[index])
        assert len(index) <= (size or 7)
        seen += index.tolist()
    assert (sorted(seen) if shuffle else seen) == list(range(7))


def test_the_order_is_one_permutation_of_the_global_random_numbers():
    torch.manual_seed(0)
    expected, state = torch.randperm(7), torch.get_rng_state()
    torch.manual_seed(0)
    got = [batch.index for batch in batches(TensorData(X), 2, shuffle=True)]
    assert torch.equal(torch.cat(got), expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_reading_in_order_takes_no_random_numbers():
    state = torch.get_rng_state()
    list(batches(TensorData(X), 2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("start", range(5))
def test_a_pass_resumes_to_the_same_bits(start):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    states, whole = [], []
    walk = batches(noisy(), 2, shuffle=True)
    for _ in range(4):
        states.append(torch.get_rng_state())
        whole.append(next(walk))
    states.append(torch.get_rng_state())

    torch.set_rng_state(before)
    rest = batches(noisy(), 2, shuffle=True, start=start)
    torch.set_rng_state(states[start])
    again = list(rest)
    assert len(again) == 4 - start
    for (index, x, _), (other, y, _) in zip(again, whole[start:], strict=True):
        assert torch.equal(index, other)
        assert torch.equal(x, y)


def test_skipped_batches_are_not_transformed():
    seen = []
    data = TensorData(X, transform=lambda rows: seen.append(rows) or rows)
    list(batches(data, 2, start=3))
    assert len(seen) == 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_transform_runs_on_the_device(shuffle):
    seen = []
    data = TensorData((X, X), transform=lambda rows: seen.append(rows[0].device.type) or rows)
    list(batches(data, 4, shuffle=shuffle, device="meta"))
    assert seen == ["meta", "meta"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_data_that_live_on_a_device_stay_there(shuffle):
    data = TensorData(X.to("meta"))
    assert {b.x.device.type for b in batches(data, 4, shuffle=shuffle)} == {"meta"}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float64, torch.bool])
def test_dtypes_are_kept(dtype):
    data = TensorData(X.to(dtype))
    assert all(batch.x.dtype == dtype for batch in batches(data, 3, shuffle=True))


def test_no_data_are_no_batches():
    assert list(batches(TensorData(X[:0]), None, shuffle=True)) == []


def test_bad_requests_fail_at_once():
    with pytest.raises(ValueError, match="batch_size"):
        batches(TensorData(X), 0)
    with pytest.raises(ValueError, match="start"):
        batches(TensorData(X), 2, start=-1)
    with pytest.raises(TypeError, match="as_data"):
        batches(X, 2)


SOURCES = {
    "tensors": lambda: TensorData(X),
    "data set": lambda: LoaderData(TensorDataset(X)),
    "loader": lambda: LoaderData(DataLoader(TensorDataset(X), batch_size=2, shuffle=True)),
}


def read(source, batch_size, part, start=0):
    """A pass from one seed; what is drawn after the call does not matter."""
    torch.manual_seed(5)
    walk = batches(SOURCES[source](), batch_size, shuffle=True, start=start, part=part)
    torch.manual_seed(part.rank)
    return list(walk)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_parts_make_up_each_step(source, size, start):
    """Together they are the rows of `size` batches, weighted by how many each has."""
    whole = [batch.x for batch in read(source, 2, Part(), start)]
    steps = zip(*(read(source, 2, Part(rank, size), start) for rank in range(size)), strict=True)
    for i, step in enumerate(steps):
        together = torch.cat(whole[i * size : (i + 1) * size])
        parts = [batch for batch in step if batch.weight]
        assert torch.equal(torch.cat([batch.x for batch in parts]), together)
        assert [batch.weight for batch in parts] == [len(b.x) / len(together) for b in parts]
        for spare in step[len(parts) :]:  # a stand-in, from the same step
            assert len(spare.x) and (spare.x[0] == together).all(-1).any()
    assert i == -(-len(whole) // size) - 1


def test_all_at_once_is_divided():
    parts = [read("tensors", None, Part(rank, 2)) for rank in range(2)]
    assert [[len(batch.x) for batch in part] for part in parts] == [[4], [3]]
