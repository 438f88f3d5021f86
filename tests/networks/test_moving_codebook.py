"""Running means in closed form, k-means in the limit, and a second life for unused codes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dgmppl.distributions import nearest
from dgmppl.networks import MovingCodebook


def clusters() -> tuple[Tensor, Tensor]:
    """Thirty vectors around two places, and which place."""
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(30) % 3 // 2
    places = torch.tensor([[-4.0, 1.0], [3.0, 2.0]])
    return places[which] + 0.3 * torch.randn(30, 2, generator=generator), which


def test_without_a_past_it_takes_the_means() -> None:
    """One step is one step of k-means."""
    vectors, which = clusters()
    codebook = MovingCodebook(2, 2, decay=0.0)
    codebook.update(vectors, which)
    means = torch.stack([vectors[which == k].mean(0) for k in range(2)])
    torch.testing.assert_close(codebook.weight, means)


def test_after_t_steps_the_means_are_those_of_the_closed_form() -> None:
    vectors, which = clusters()
    codebook = MovingCodebook(2, 2, decay=0.9, restart=0.0)
    start = codebook.weight.clone()
    for _ in range(7):
        codebook.update(vectors[None], which[None])
    past = 0.9**7
    number = torch.tensor([20.0, 10.0])[:, None]
    total = torch.stack([vectors[which == k].sum(0) for k in range(2)])
    expected = (past * start + (1 - past) * total) / (past + (1 - past) * number)
    torch.testing.assert_close(codebook.weight, expected)


def test_it_finds_two_clusters_by_itself() -> None:
    vectors, which = clusters()
    torch.manual_seed(0)
    codebook = MovingCodebook(2, 2, decay=0.5)
    for _ in range(40):
        codebook.update(vectors, nearest(vectors, codebook.weight))
    means = torch.stack([vectors[which == k].mean(0) for k in range(2)])
    order = nearest(means, codebook.weight)
    torch.testing.assert_close(codebook.weight[order], means, rtol=0, atol=1e-4)


@pytest.mark.parametrize("restart", [0.0, 0.1])
def test_a_code_that_nothing_chooses_starts_anew_at_a_vector(restart: float) -> None:
    vectors, _ = clusters()
    torch.manual_seed(0)
    codebook = MovingCodebook(3, 2, decay=0.9, restart=restart)
    far = torch.tensor([90.0, 90.0])
    codebook.weight[2], codebook.sums[2] = far, far
    for _ in range(60):
        codebook.update(vectors, nearest(vectors, codebook.weight))
        if not torch.equal(codebook.weight[2], far) and restart:
            break
    if restart:
        assert (codebook.weight[2] - vectors).abs().sum(-1).min() < 1e-5
        assert codebook.counts[2] == pytest.approx(codebook.counts.mean().item(), rel=0.5)
    else:
        assert torch.equal(codebook.weight[2], far)


def test_codes_stay_finite_when_their_counts_vanish() -> None:
    codebook = MovingCodebook(2, 1, decay=0.1, restart=0.0)
    start = codebook.weight[1].clone()
    for _ in range(100):
        codebook.update(torch.ones(4, 1), torch.zeros(4, dtype=torch.long))
    assert codebook.counts[1] == 0
    assert torch.isfinite(codebook.weight).all() and codebook.weight[0] == 1
    assert torch.equal(codebook.weight[1], start)


def test_its_state_is_in_buffers_and_it_reads_like_an_embedding() -> None:
    codebook = MovingCodebook(4, 2)
    assert set(codebook.state_dict()) == {"weight", "counts", "sums"}
    assert not list(codebook.parameters())
    indices = torch.tensor([[3, 0, 0]])
    assert torch.equal(codebook(indices), codebook.weight[indices])


@pytest.mark.parametrize("settings", [{"decay": 1.0}, {"decay": -0.1}, {"restart": 1.0}])
def test_shares_are_checked(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\).*Try 0.99"):
        MovingCodebook(2, 2, **settings)
