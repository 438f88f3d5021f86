"""The prior is causal, the bound is below the evidence, and pictures of any size will do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

import dgmppl
from dgmppl.handlers import Replay
from dgmppl.models.vq_vae import VQVAE, prior
from dgmppl.networks import MovingCodebook


def small(**settings: Any) -> VQVAE:
    """Four positions of three codes under 4 × 4 pixels."""
    common: dict[str, Any] = {"image_shape": (1, 4, 4), "num_codes": 3, "code_dim": 2}
    return VQVAE(**common | {"halvings": 1, "channels": 4, "hidden_features": 5} | settings)


def test_no_code_is_told_by_itself_or_a_later_one() -> None:
    net, codes = prior(3, 4, 5).eval(), torch.tensor([[0, 2, 1, 1]])
    logits = net(codes)
    for i in range(4):
        other = codes.clone()
        other[:, i:] = (other[:, i:] + 1) % 3
        assert torch.equal(net(other)[:, : i + 1], logits[:, : i + 1])
        assert i == 3 or not torch.allclose(net(other)[:, i + 1 :], logits[:, i + 1 :])


@pytest.mark.parametrize("codebook", [nn.Embedding, MovingCodebook])
def test_the_evidence_is_below_the_sum_over_all_grids(codebook: Any) -> None:
    torch.manual_seed(0)
    program, x = small(codebook=codebook, scale=1.0).eval(), torch.rand(5, 1, 4, 4)
    grids = torch.tensor(list(itertools.product(range(3), repeat=4)))  # [81, 4]
    z = program.codebook.weight[grids][:, None].expand(-1, 5, -1, -1)
    tables = dgmppl.weights(program, x, 81, handlers=(Replay({"z": z.detach()}),))
    torch.testing.assert_close(tables.log_p["z"].exp().sum(0), torch.ones(5))
    exact = (tables.log_p["x"] + tables.log_p["z"]).logsumexp(0)
    found = dgmppl.evidence(program, x)
    assert found.kind == "lower bound" and found.num_particles == 1
    assert (found.value < exact).all() and (found.standard_error == 0).all()


@pytest.mark.parametrize(("shape", "halvings"), [((1, 8, 8), 1), ((1, 28, 28), 2), ((1, 8, 12), 2)])
def test_it_takes_pictures_of_this_size(shape: tuple[int, int, int], halvings: int) -> None:
    program, x = small(image_shape=shape, halvings=halvings), torch.ones(2, *shape)
    tables = dgmppl.weights(program, x, num_particles=3)
    assert tables.log_p["x"].shape == tables.log_p["z"].shape == (3, 2)
    drawn = dgmppl.generate(program, 4)
    assert drawn["x"].shape == (4, *shape)
    distance = torch.cdist(drawn["z"], program.codebook.weight).min(-1).values
    assert drawn["z"].shape[1] == program.positions and bool((distance < 1e-6).all())


@pytest.mark.parametrize("shape", [(1, 9, 8), (3, 8, 8)])
def test_it_refuses_pictures_of_that_size(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"Expected one channel.*divisible by 4.*Try padding"):
        small(image_shape=shape, halvings=2)
