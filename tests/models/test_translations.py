"""Pictures into pictures: what is found against what is true, and known to the test alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import dgmppl
from dgmppl.data import outlines, renderings
from dgmppl.models.coupled_gan import recipes as coupled
from dgmppl.models.cycle_gan import recipes as cycle
from dgmppl.models.pix2pix import recipes as pair
from dgmppl.recipes import Recipe
from dgmppl.traces import evaluating


def learned(recipe: Recipe) -> Any:
    return recipe.learn(progress=False).program


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())


@pytest.mark.slow
@torch.no_grad()
def test_pix2pix_finds_the_pictures_of_outlines() -> None:
    """Held out, it is nearer to the truth than the mean picture by far."""
    train, test = (pair["pix2pix"].data(split=split).values for split in ("train", "test"))
    with torch.enable_grad():
        program = learned(pair["pix2pix"])
    with evaluating(program):
        noise = torch.randn(len(test["a"]), program.z_dim)
        found = program.translator(torch.cat([test["a"], noise], -1)).sigmoid()
    assert distance(found, test["b"]) < distance(train["b"].mean(0), test["b"]) / 3


@pytest.mark.slow
@torch.no_grad()
def test_cycle_gan_finds_them_without_a_pair() -> None:
    """Most translations of held-out outlines are nearer to their own digit than to any other."""
    test = cycle["cycle-gan"].data(split="test").values
    with torch.enable_grad():
        program = learned(cycle["cycle-gan"])
    with evaluating(program):
        found = program.into_b(test["a"])
        back = program.into_a(found)
    own = torch.cdist(found, test["b"]).argmin(1) == torch.arange(len(found))
    assert float(own.float().mean()) > 0.5
    assert distance(back, test["a"]) < distance(test["a"].mean(0), test["a"]) / 2


def test_unpaired_data_hold_the_same_pictures_but_no_pair() -> None:
    paired, unpaired = renderings(), renderings(paired=False)
    a, b = unpaired.values["a"], unpaired.values["b"]
    assert torch.equal(b, paired.values["b"])
    assert torch.equal(a.sum(0), paired.values["a"].sum(0))
    assert not (outlines(b, (1, 8, 8)) == a).all(1).any()
    test = renderings("test", paired=False).values
    assert torch.equal(outlines(test["b"], (1, 8, 8)), test["a"])


@pytest.mark.slow
def test_coupled_pictures_of_one_draw_agree() -> None:
    """The outline of a drawn digit is nearest to the outline drawn with it, of five hundred."""
    program = learned(coupled["coupled-gan"])
    draws = dgmppl.generate(program, 500, seed=0)
    true = outlines(draws["b"], (1, 8, 8))
    own = torch.cdist(true, draws["a"]).argmin(1) == torch.arange(500)
    assert float(own.float().mean()) > 0.5
    assert distance(true, draws["a"]) < distance(true, draws["a"].roll(1, 0)) / 2
