"""The structure of a batch survives what is done to its tensors."""

from typing import NamedTuple

import pytest
import torch

from dgmppl.data.nested import batch_length, first_tensor, map_tensors, named_tensors, to_device


class Sequences(NamedTuple):
    notes: torch.Tensor
    length: torch.Tensor


STRUCTURES = [
    torch.zeros(3, 2),
    {"x": torch.zeros(3, 2), "length": torch.ones(3)},
    (torch.zeros(3, 2), torch.ones(3)),
    Sequences(torch.zeros(3, 2), torch.ones(3)),
    {"x": (torch.zeros(3), None)},
]


@pytest.mark.parametrize("x", STRUCTURES)
def test_mapping_the_identity_changes_nothing(x):
    mapped = map_tensors(lambda tensor: tensor, x)
    assert type(mapped) is type(x)
    pairs = zip(named_tensors(mapped), named_tensors(x), strict=True)
    assert all(name == other and tensor is same for (name, tensor), (other, same) in pairs)


@pytest.mark.parametrize("x", STRUCTURES)
def test_every_structure_has_its_first_tensors_length(x):
    assert batch_length(x) == len(first_tensor(x)) == 3


def test_lists_become_tuples():
    assert map_tensors(torch.numel, [torch.zeros(2), torch.zeros(3)]) == (2, 3)


@pytest.mark.parametrize("x", STRUCTURES)
def test_tensors_on_the_device_are_not_copied(x):
    assert first_tensor(to_device(x, "cpu")) is first_tensor(x)
    assert to_device(x, None) is x


@pytest.mark.parametrize("wrong", ["text", 3.0, object(), ["a", "b"]])
def test_other_objects_are_refused(wrong):
    with pytest.raises(TypeError, match=r"Expected a tensor.*Try"):
        map_tensors(lambda tensor: tensor, wrong)


@pytest.mark.parametrize("wrong", [{}, (), (None,)])
def test_a_batch_without_tensors_has_no_length(wrong):
    with pytest.raises(ValueError, match="at least one tensor"):
        batch_length(wrong)


def test_a_scalar_has_no_length():
    with pytest.raises(ValueError, match="first dimension"):
        batch_length(torch.tensor(1.0))


def test_a_number_has_no_length():
    with pytest.raises(TypeError, match="got int"):
        batch_length(3)
