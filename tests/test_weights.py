"""Tables of log p and log q: their shapes, what they sum, what stays outside the logarithm."""

from __future__ import annotations

import math
from typing import Any

import pyro
import pytest
import torch
from enumerable import Switch
from linear_gaussian import LinearGaussian
from linear_gaussian import data as some_data
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError, bind
from dgmppl.handlers import Replay
from dgmppl.networks import flatten_batch
from dgmppl.objectives import ELBO, IWAE, ObjectiveError, Progress
from dgmppl.weights import weights

DOUBLE = torch.float64


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE)


class Labelled(dgmppl.Program):
    """z → x with a label that shifts the mean; takes any structure of a batch."""

    def __init__(self, structure: type):
        super().__init__()
        self.structure = structure
        self.shift = nn.Parameter(torch.tensor(0.5))

    def parts(self, x: Any) -> tuple[Tensor, Tensor]:
        if self.structure is Tensor:
            return x, torch.zeros(())
        return tuple(x.values()) if self.structure is dict else x

    def model(self, x: Any = None, n: int = 1) -> None:
        image, label = self.parts(x)
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(3), 1.0).to_event(1))
            loc = z + self.shift * label[..., None]
            pyro.sample("x", Normal(loc, 1.0).to_event(1), obs=image)

    def guide(self, x: Any) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.parts(x)[0] / 2, 0.7).to_event(1))


@pytest.mark.parametrize("num_particles", [1, 5])
@pytest.mark.parametrize("structure", [Tensor, dict, tuple])
@pytest.mark.parametrize("vectorized", [True, False])
def test_shapes(structure: type, num_particles: int, vectorized: bool) -> None:
    image, label = torch.randn(4, 3), torch.ones(4)
    x = {Tensor: image, dict: {"image": image, "label": label}, tuple: (image, label)}[structure]
    program = Labelled(structure)
    program.vectorized = vectorized
    w = weights(program, x, num_particles)
    tables = [*w.log_p.values(), *w.log_q.values()]
    assert [*w.log_p] == ["z", "x"] and [*w.log_q] == ["z"]
    assert {tuple(table.shape) for table in tables} == {(num_particles, 4)}
    assert w.batch == w.size == 4


def test_looped_particles_are_vectorised_ones() -> None:
    """The same draws give the same numbers, one at a time or together."""
    x, z = some_data(4), double(5, 4, 2)
    together = weights(LinearGaussian(0.5), x, 5, handlers=(Replay({"z": z}),))
    for k in range(5):
        alone = weights(LinearGaussian(0.5), x, 1, handlers=(Replay({"z": z[k]}),))
        for name in ("z", "x"):
            assert torch.allclose(together.log_p[name][k], alone.log_p[name][0], rtol=1e-12)
        assert torch.allclose(together.log_q["z"][k], alone.log_q["z"][0], rtol=1e-12)


def test_looped_particles_have_the_same_law() -> None:
    x = some_data(1).expand(2000, -1)
    program = LinearGaussian(1.0)
    many = IWAE(num_particles=4).reduce(sum_of(weights(program, x, 4)))
    program.vectorized = False
    loop = IWAE(num_particles=4).reduce(sum_of(weights(program, x, 4)))
    error = (many.var() / 2000 + loop.var() / 2000).sqrt()
    assert (many.mean() - loop.mean()).abs() < 4 * error
    assert abs(many.std() / loop.std() - 1) < 0.15


def sum_of(w: Any) -> Tensor:
    local, _ = w.ratio()
    return local


class Conv(dgmppl.Program):
    """A decoder that is a transposed convolution."""

    def __init__(self, *, flat: bool = False):
        super().__init__()
        net = nn.ConvTranspose2d(2, 1, 4)
        self.decoder = flatten_batch(net) if flat else net
        self.loc = nn.Parameter(torch.zeros(2))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            loc = self.decoder(z[..., None, None])
            pyro.sample("x", Normal(loc, 1.0).to_event(3), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.loc, 1.0).to_event(1))


def test_a_flattened_convolution_takes_particles() -> None:
    x, z = torch.randn(3, 1, 4, 4), torch.randn(5, 3, 2)
    program = Conv(flat=True)
    table = weights(program, x, 5, handlers=(Replay({"z": z}),)).log_p["x"]
    loc = torch.stack([program.decoder.net(each[..., None, None]) for each in z])
    assert torch.allclose(table, Normal(loc, 1.0).log_prob(x).sum((2, 3, 4)), rtol=1e-5)


def test_a_bare_convolution_is_told_the_cure() -> None:
    x = torch.randn(3, 1, 4, 4)
    with pytest.raises(ProgramError, match=r"flatten_batch.*vectorized = False"):
        weights(Conv(), x, 5)


def test_a_bare_convolution_may_be_looped() -> None:
    program = Conv()
    program.vectorized = False
    assert weights(program, torch.randn(3, 1, 4, 4), 5).log_p["x"].shape == (5, 3)


class Nested(dgmppl.Program):
    """Data at dim -2, pixels at dim -1."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.scale = nn.Parameter(torch.ones((), dtype=DOUBLE))

    def model(self, x: Tensor, n: int = 1) -> None:
        with pyro.plate(self.name, len(x), dim=-2):
            z = pyro.sample("z", Normal(self.scale * 0, 1.0))
            with pyro.plate("pixels", x.shape[1], dim=-1):
                pyro.sample("x", Normal(z, self.scale), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate(self.name, len(x), dim=-2):
            pyro.sample("z", Normal(x.mean(1, keepdim=True), 0.5))


@pytest.mark.parametrize("name", ["data", "rows"])
@pytest.mark.parametrize("num_particles", [1, 3])
def test_inner_plates_are_summed(num_particles: int, name: str) -> None:
    x, z = double(4, 6), double(num_particles, 4)
    draws = z[..., None] if num_particles > 1 else z[0][:, None]
    w = weights(Nested(name), x, num_particles, handlers=(Replay({"z": draws}),))
    assert w.binding.data_plate == name
    expected = Normal(z[..., None], 1.0).log_prob(x).sum(-1)
    assert torch.allclose(w.log_p["x"], expected, rtol=1e-12)
    assert torch.allclose(w.log_p["z"], Normal(0.0, 1.0).log_prob(z), rtol=1e-12)
    assert torch.allclose(w.log_q["z"], Normal(x.mean(1), 0.5).log_prob(z), rtol=1e-12)


class Padded(dgmppl.Program):
    """Sequences of different lengths behind a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=DOUBLE))

    def model(self, x: dict[str, Tensor], n: int = 1) -> None:
        with pyro.plate("data", len(x["x"]), dim=-2):
            level = pyro.sample("level", Normal(self.scale * 0, 1.0))
            with pyro.plate("time", x["x"].shape[1], dim=-1), pyro.poutine.mask(mask=x["seen"]):
                z = pyro.sample("z", Normal(level, 1.0))
                pyro.sample("x", Normal(z, self.scale), obs=x["x"])

    def guide(self, x: dict[str, Tensor]) -> None:
        with pyro.plate("data", len(x["x"]), dim=-2):
            pyro.sample("level", Normal(self.scale * 0.3, 0.5))
            with pyro.plate("time", x["x"].shape[1], dim=-1), pyro.poutine.mask(mask=x["seen"]):
                pyro.sample("z", Normal(x["x"] / 2, 0.7))


def padded(x: Tensor, lengths: list[int], steps: int, filler: float) -> dict[str, Tensor]:
    full = torch.full((len(x), steps), filler, dtype=DOUBLE)
    seen = torch.arange(steps) < torch.tensor(lengths)[:, None]
    full[seen] = torch.cat([row[:length] for row, length in zip(x, lengths, strict=True)])
    return {"x": full, "seen": seen}


def test_padding_changes_nothing() -> None:
    """Longer padding with other contents gives the same tables and bounds, sampled and closed."""
    x, lengths, level = double(3, 5), [5, 2, 4], double(3, 1)
    z = double(3, 5)
    results = []
    for steps, filler in ((5, 0.0), (5, 7.0), (9, -100.0)):
        batch = padded(x, lengths, steps, filler)
        draws = torch.full((3, steps), filler, dtype=DOUBLE)
        draws[:, :5] = torch.where(batch["seen"][:, :5], z, filler)
        held = Replay({"z": draws, "level": level})
        w = weights(Padded(), batch, handlers=(held,))
        closed = ELBO().closed(w)
        assert set(closed) == {"z", "level"}
        results.append([*w.log_p.values(), *w.log_q.values(), *closed.values()])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert torch.allclose(first, second, rtol=1e-12)


def test_the_order_of_data_changes_nothing() -> None:
    x, lengths, order = double(3, 5), [5, 2, 4], torch.tensor([2, 0, 1])
    batch = padded(x, lengths, 5, 0.0)
    z, level = double(3, 5), double(3, 1)
    straight = weights(Padded(), batch, handlers=(Replay({"z": z, "level": level}),))
    turned = {name: part[order] for name, part in batch.items()}
    held = Replay({"z": z[order], "level": level[order]})
    permuted = weights(Padded(), turned, handlers=(held,))
    for name, table in straight.log_p.items():
        assert torch.allclose(table[:, order], permuted.log_p[name], rtol=1e-12)


class Scaled(Switch):
    """The user's own scale on the likelihood."""

    def __init__(self, factor: float | Tensor):
        super().__init__()
        self.factor = factor

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", pyro.distributions.Bernoulli(logits=self.logit))
            with pyro.poutine.scale(scale=self.factor):
                return pyro.sample("x", Normal(self.loc[h.long()], 1.0), obs=x)


@pytest.mark.parametrize("factor", [0.25, torch.tensor([0.1, 1.0, 2.0], dtype=DOUBLE)])
def test_a_users_scale_is_honoured(factor: float | Tensor) -> None:
    x, h = double(3), torch.tensor([[1.0, 0.0, 1.0]] * 2, dtype=DOUBLE)
    plain = weights(Switch(), x, 2, handlers=(Replay({"h": h}),))
    scaled = weights(Scaled(factor), x, 2, handlers=(Replay({"h": h}),))
    assert torch.allclose(scaled.log_p["x"], factor * plain.log_p["x"])
    assert torch.allclose(scaled.log_p["h"], plain.log_p["h"])


class Rows(nn.Module):
    """A plate over all data with explicit rows: local latents, and a global one if `shared`."""

    def __init__(self, number: int, *, shared: bool):
        super().__init__()
        self.number, self.shared = number, shared
        self.loc = nn.Parameter(torch.tensor(0.4, dtype=DOUBLE))

    def model(self, x: Tensor, rows: Tensor) -> None:
        zero = torch.zeros((), dtype=DOUBLE)
        level = pyro.sample("level", Normal(zero, 2.0)) if self.shared else zero
        with pyro.plate("data", self.number, subsample=rows):
            z = pyro.sample("z", Normal(level, 1.0))
            pyro.sample("x", Normal(z, 0.5), obs=x[rows])

    def guide(self, x: Tensor, rows: Tensor) -> None:
        if self.shared:
            pyro.sample("level", Normal(self.loc, 0.6))
        with pyro.plate("data", self.number, subsample=rows):
            pyro.sample("z", Normal(self.loc * x[rows], 0.8))


def bound_of(
    objective: Any, pair: Any, x: Tensor, rows: Tensor, draws: dict[str, Tensor]
) -> Tensor:
    """The value of a bound for given draws."""
    binding = bind(pair, (x, rows))
    k = objective.num_particles
    w = weights(
        binding,
        (x, rows),
        k,
        shared_globals=not objective.averages,
        handlers=(Replay(draws),),
    )
    assert w.size == pair._functions[0].__self__.number
    return objective.per_datum(w, *objective._join(binding, w.ratio()))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("objective", [ELBO(num_particles=3), IWAE(num_particles=3)])
def test_minibatches_average_to_the_full_value(objective: Any, shared: bool) -> None:
    """N/B stays outside the logarithm, and the global term is counted once for all data."""
    program = Rows(6, shared=shared)
    pair = dgmppl.Pair(program.model, program.guide)
    x, z = double(6), double(3, 6)
    level = double(3, 1) if objective.averages else double(())

    def value(rows: Tensor) -> Tensor:
        draws = {"z": z[:, rows], "level": level}
        return bound_of(objective, pair, x, rows, draws)

    parts = [value(rows) for rows in torch.randperm(6).split(2)]
    assert torch.allclose(torch.stack(parts).mean(), value(torch.arange(6)), rtol=1e-12)


def test_the_full_value_is_the_formula() -> None:
    """IWAE with a global latent: local log-mean-exps, and the global ratio once, over N."""
    program = Rows(6, shared=True)
    x, z, level = double(6), double(3, 6), double(())
    pair = dgmppl.Pair(program.model, program.guide)
    draws = {"z": z, "level": level}
    value = bound_of(IWAE(num_particles=3), pair, x, torch.arange(6), draws)
    log_w = Normal(level, 1.0).log_prob(z) + Normal(z, 0.5).log_prob(x)
    log_w = log_w - Normal(0.4 * x, 0.8).log_prob(z)
    ratio = Normal(0.0, 2.0).log_prob(level) - Normal(program.loc, 0.6).log_prob(level)
    expected = (torch.logsumexp(log_w, 0) - math.log(3)).mean() + ratio / 6
    assert torch.allclose(value, expected, rtol=1e-12)


def test_the_callers_size_counts_where_the_program_knows_none() -> None:
    w = weights(LinearGaussian(), some_data(4), size=100)
    assert (w.size, w.batch) == (100, 4)


class Level(dgmppl.Program):
    """Only a global latent."""

    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.tensor(0.2, dtype=DOUBLE))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        level = pyro.sample("level", Normal(torch.zeros((), dtype=DOUBLE), 1.0))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Normal(level, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.sample("level", Normal(self.loc, 0.5))


@pytest.mark.parametrize("vectorized", [True, False])
def test_joint_importance_weights(vectorized: bool) -> None:
    """With global latents alone, K draws weigh the whole data set."""
    program, x = Level(), double(5)
    program.vectorized = vectorized
    binding = bind(program, x)
    torch.manual_seed(3)
    value = IWAE(num_particles=4).value(binding, x, Progress(size=5))
    torch.manual_seed(3)
    w = weights(binding, x, 4)
    level = torch.stack([r.guide["level"]["value"].flatten() for r in w.runs]).flatten()
    log_w = Normal(level[:, None], 1.0).log_prob(x).sum(1) + Normal(0.0, 1.0).log_prob(level)
    log_w = log_w - Normal(0.2, 0.5).log_prob(level)
    assert torch.allclose(value, (torch.logsumexp(log_w, 0) - math.log(4)) / 5, rtol=1e-12)


def test_joint_weights_refuse_minibatches() -> None:
    program, x = Level(), double(5)
    with pytest.raises(ObjectiveError, match=r"5 of 20 data.*batch_size=None"):
        IWAE(num_particles=4).value(bind(program, x), x, Progress(size=20))


class Dropped(dgmppl.Program):
    """A guide of two sites with dropout and running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2).double()
        self.net = nn.Sequential(nn.Linear(2, 50), nn.Dropout(0.5), nn.Linear(50, 1)).double()

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            a = pyro.sample("a", Normal(self.norm.weight[0], 1.0))
            b = pyro.sample("b", Normal(a, 1.0))
            loc = b[..., None].expand(*b.shape, 2)
            pyro.sample("x", Normal(loc, 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            a = pyro.sample("a", Normal(self.net(self.norm(x))[..., 0], 1.0))
            pyro.sample("b", Normal(a, 1.0))


def test_scores_with_fixed_parameters_are_those_of_the_draws() -> None:
    """The second look at the guide meets the same dropout mask and moves no statistics."""
    program, x = Dropped(), double(5, 2)
    binding = bind(program, x)
    program.train()
    w = weights(binding, x, 1, fixed_scores=True)
    drawn = w.runs[0].guide["a"]
    assert torch.equal(w.log_q["a"][0], drawn["fn"].log_prob(drawn["value"]))
    assert int(program.norm.num_batches_tracked) == 1
