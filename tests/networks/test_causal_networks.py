"""No value depends on what comes later, all depend on what came before, and walks are exact."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from dgmppl.models.transformer import blocks
from dgmppl.networks import (
    AnyOrder,
    CausalConv1d,
    DiagonalBiLSTM,
    GatedPixels,
    MaskedMLP,
    MaskedPixels,
    NextToken,
    Recurrent,
    RowLSTM,
    WaveStack,
    flatten_batch,
)


def dependencies(net: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Tensor:
    """Which element's parameters move when one input element does, `[D, D]`, outputs by rows."""
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    number = x.numel()
    moved = x.repeat(number, *[1] * x.dim())
    moved.view(number, number).diagonal().add_(1.0)
    before, *after = net(torch.cat([x[None], moved])).detach().split([1, number])
    return ((after[0] - before).abs().reshape(number, number, -1) > 1e-12).any(-1).T


def before(order: Tensor) -> Tensor:
    """Which elements come before which in an order, `[D, D]`."""
    place = order.argsort()
    return place < place[:, None]


def tokens(body: nn.Module) -> nn.Module:
    return NextToken(3, 8, body)


SHAPE = (1, 5, 6)
#: Network, event shape, whether it sees all that came before.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {
    "mlp": (partial(MaskedMLP, 7, (30,)), (7,), True),
    "deep mlp": (partial(MaskedMLP, 7, (60, 60), outputs=3), (7,), True),
    "masked pixels": (partial(MaskedPixels, 8, 2), SHAPE, False),
    "masked pixels, outputs": (partial(MaskedPixels, 8, 2, outputs=3), SHAPE, False),
    "gated pixels": (partial(GatedPixels, 8, 3), SHAPE, True),
    "rows": (partial(MaskedPixels, 6, 2, RowLSTM), SHAPE, False),
    "diagonals": (partial(MaskedPixels, 6, 2, DiagonalBiLSTM), SHAPE, False),
    "recurrent": (partial(tokens, Recurrent(nn.LSTM(8, 8, batch_first=True))), (7,), True),
    "attention": (partial(tokens, blocks(7, 8, layers=2, heads=2)), (7,), True),
    "waves": (partial(WaveStack, 5, 8, layers=3), (7,), True),
    "gated pixels, outputs": (partial(GatedPixels, 8, 3, outputs=2), SHAPE, True),
}
every = pytest.mark.parametrize("name", NETWORKS)


def built(name: str) -> tuple[nn.Module, tuple[int, ...], bool]:
    torch.manual_seed(1)
    make, shape, whole = NETWORKS[name]
    return make().double(), shape, whole


@every
def test_no_value_depends_on_what_comes_later(name: str) -> None:
    net, shape, whole = built(name)
    found = dependencies(net, shape)
    earlier = before(torch.arange(len(found)))
    assert not (found & ~earlier).any()
    if whole:
        assert torch.equal(found, earlier)


def test_the_blind_spot_is_there_and_gates_remove_it() -> None:
    """Above and to the right a cone is hidden from masked convolutions of rows and columns."""
    masked, _, _ = built("masked pixels")
    hidden = before(torch.arange(30)) & ~dependencies(masked, SHAPE)
    rows, columns = torch.div(hidden.nonzero(), 6, rounding_mode="floor"), hidden.nonzero() % 6
    assert len(rows) > 0
    assert (columns[:, 1] > columns[:, 0]).all()


@pytest.mark.parametrize("k", range(3))
def test_masks_give_each_order_its_own_dependencies(k: int) -> None:
    torch.manual_seed(0)
    net = MaskedMLP(7, (40, 40), orders=3, seed=5).double()
    found = dependencies(partial(net, which=torch.tensor(k)), (7,))
    assert torch.equal(found, before(net.orders[k]))


def test_any_order_depends_on_what_is_before() -> None:
    torch.manual_seed(0)
    net = AnyOrder(nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 5))).double()
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(dependencies(partial(net, order=order), (5,)), before(order))


@pytest.mark.parametrize(("layer", "whole"), [(DiagonalBiLSTM, True), (RowLSTM, False)])
def test_layers_of_pixels_see_themselves_and_what_is_before(layer: type, whole: bool) -> None:
    torch.manual_seed(0)
    net = layer(4).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.3 * torch.randn_like(parameter)  # what is far away is to be felt
    found = dependencies(lambda x: net(x.expand(-1, 4, -1, -1)).movedim(1, -1), SHAPE)
    place = torch.arange(30)
    seen = place <= place[:, None]
    assert not (found & ~seen).any() and found.diagonal().all()
    assert torch.equal(found, seen) == whole


def test_groups_do_not_see_themselves() -> None:
    torch.manual_seed(0)
    net = NextToken(4, 8, blocks(3, 8, layers=1, heads=2), bits=2).double()
    found = dependencies(lambda x: net(x).repeat_interleave(2, 1), (6,))
    group = torch.arange(6) // 2
    assert torch.equal(found, group < group[:, None])


def test_dilated_convolutions_see_as_far_as_they_say() -> None:
    torch.manual_seed(0)
    net = WaveStack(2, 8, layers=2, blocks=2).double()
    assert net.receptive_field == 7
    found = dependencies(net, (12,))
    place = torch.arange(12)
    behind = place[:, None] - place
    assert torch.equal(found, (behind > 0) & (behind <= 7))


def test_a_queue_is_a_convolution() -> None:
    torch.manual_seed(0)
    conv = CausalConv1d(2, 3, kernel_size=3, dilation=2).double()
    found = dependencies(lambda x: conv(x[:, None].repeat(1, 2, 1)).mT, (9,))
    behind = torch.arange(9)[:, None] - torch.arange(9)
    assert torch.equal(found, (behind == 0) | (behind == 2) | (behind == 4))


@every
def test_a_walk_gives_what_one_pass_gives(name: str) -> None:
    net, shape, _ = built(name)
    x = torch.rand(4, *shape, dtype=torch.float64)
    filled, known = torch.zeros_like(x), x.reshape(4, -1)
    expected = net(x).detach().reshape(4, known.shape[1], -1)
    with torch.no_grad():
        for i, parameters in enumerate(net.walk(filled)):
            torch.testing.assert_close(parameters.reshape(4, -1), expected[:, i])
            filled.view(4, -1)[:, i] = known[:, i]
    assert i == known.shape[1] - 1
    torch.testing.assert_close(net(x).detach().reshape(expected.shape), expected)  # forgets


def test_walks_in_orders_of_their_own() -> None:
    torch.manual_seed(0)
    net = MaskedMLP(5, (20, 20), orders=3, outputs=2).double()
    which = torch.tensor([2, 0, 1, 2])
    x, filled = torch.rand(4, 5, dtype=torch.float64), torch.zeros(4, 5, dtype=torch.float64)
    expected = net(x, which).detach()
    with torch.no_grad():
        for step, parameters in enumerate(net.walk(filled, which)):
            at = net.orders[which][:, step]
            torch.testing.assert_close(parameters, expected[torch.arange(4), at])
            filled[torch.arange(4), at] = x[torch.arange(4), at]


def test_conditions_are_heard_in_any_batch() -> None:
    torch.manual_seed(0)
    net = flatten_batch(GatedPixels(8, 2, condition_features=3))
    x, condition = torch.rand(2, 4, *SHAPE), torch.randn(4, 3)
    value = net(x, condition)
    torch.testing.assert_close(value[1, 2], net(x[1, 2], condition[2]))
    assert not torch.allclose(value, net(x, condition + 1))
    particles = net(x[0], condition.expand(5, 4, 3))
    torch.testing.assert_close(particles[3], value[0])
