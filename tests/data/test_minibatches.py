"""A pass over data visits each datum once, in an order that can be repeated and resumed."""

import pytest
import torch

from dgmppl.data import DynamicBinarisation, TensorData, batches

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
