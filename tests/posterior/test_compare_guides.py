"""Guides are ranked by what is known of them, with paired differences."""

from __future__ import annotations

import io
import math

import numpy as np
import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Normal
from rich.console import Console
from torch import Tensor

import dgmppl
from dgmppl.binding import ProgramError
from dgmppl.posterior import compare_guides
from dgmppl.posterior.arviz_versions import smoothed

X = torch.tensor([0.3, -1.2, 0.8, 1.9, 0.1, -0.4, 1.1, 0.6]).double()
NUMBER = len(X)


def test_guides_of_one_model_differ_by_their_divergences() -> None:
    x = data(20)
    programs = {"wrong": LinearGaussian(wrong=0.5), "exact": LinearGaussian()}
    found = compare_guides(programs, x, 2000, seed=0)
    assert list(found.scores) == list(found.diagnoses) == ["exact", "wrong"]
    assert found.best == "exact" and not found.joint
    gap, error = found.behind("wrong")
    with torch.no_grad():
        exact = programs["exact"].log_evidence(x) - programs["wrong"].elbo(x)
    assert abs(gap - exact.mean().item()) < 0.05
    assert abs(error - exact.std().item() / math.sqrt(20)) < 0.05
    assert found.behind("exact", "wrong")[0] == -gap
    assert str(found).startswith("exact has the best bound, clearly better than wrong")
    bounds = [float(d.bound.mean()) for d in found.diagnoses.values()]
    assert abs(bounds[0] - bounds[1]) < 0.05  # one model has one evidence


class Mean(dgmppl.Program):
    """mean ~ N(0, 1), x ~ N(mean, σ), with a guide that is off."""

    def __init__(self, shift: float = 0.0, width: float = 1.0, sigma: float = 1.0) -> None:
        super().__init__()
        self.shift, self.width, self.sigma = shift, width, sigma

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        mean = pyro.sample("mean", Normal(torch.zeros(()).double(), 1.0))
        with dgmppl.data_plate(x, n):
            pyro.sample("x", Normal(mean, self.sigma), obs=x)

    def guide(self, x: Tensor) -> None:
        precision = 1 + len(x) / self.sigma**2
        loc = x.sum() / self.sigma**2 / precision + self.shift
        pyro.sample("mean", Normal(loc, self.width * precision**-0.5))

    def left_out(self, x: Tensor) -> Tensor:
        """Exact log p(xᵢ | x₋ᵢ)."""
        precision = 1 + (len(x) - 1) / self.sigma**2
        loc = (x.sum() - x) / self.sigma**2 / precision
        return Normal(loc, (self.sigma**2 + 1 / precision) ** 0.5).log_prob(x)


def test_leaving_one_out_is_right_whatever_the_guide() -> None:
    """The weights correct for it: three guides of one model foretell alike, a worse model not."""
    programs = {
        "exact": Mean(),
        "shifted": Mean(shift=0.2, width=1.3),
        "wide": Mean(width=2.0),
        "poor model": Mean(sigma=0.4),
    }
    found = compare_guides(programs, X, 20_000, seed=0)
    for name, program in programs.items():
        assert found.scores[name].shape == (NUMBER,)
        assert torch.allclose(found.scores[name], program.left_out(X), atol=0.1)
    assert list(found.scores)[-1] == "poor model" and found.joint
    gap, error = found.behind("poor model", "exact")
    exact = programs["exact"].left_out(X) - programs["poor model"].left_out(X)
    assert abs(gap - exact.mean().item()) < 0.05
    assert abs(error - exact.std().item() / math.sqrt(NUMBER)) < 0.05
    assert "log p(xᵢ|x₋ᵢ)" in str(found)


@pytest.mark.parametrize("local", [True, False])
def test_the_table_has_a_row_a_guide(local: bool) -> None:
    one, two = (LinearGaussian(), LinearGaussian(0.5)) if local else (Mean(), Mean(width=2.0))
    table = compare_guides({"first": one, "second": two}, data() if local else X, 50).table()
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    assert "first" in text and "second" in text and "k-hat" in text


def test_smoothed_weights_find_a_mean_that_plain_ones_miss() -> None:
    """Weights of tail 0.8: smoothing lessens the error of a self-normalised estimate."""
    generator = torch.Generator().manual_seed(0)
    log_w = 0.8 * -torch.rand(200, 1000, generator=generator, dtype=torch.float64).log()
    share = torch.from_numpy(smoothed(log_w.numpy())).exp()
    assert torch.allclose(share.sum(1), torch.ones(200).double())
    plain = log_w.softmax(1)
    assert share.max(1).values.mean() < plain.max(1).values.mean()
    assert np.allclose(smoothed(np.zeros((1, 20))), -math.log(20))


def nested(x: Tensor) -> None:
    mean = pyro.sample("mean", Normal(torch.zeros(()).double(), 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Normal(mean, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def rough(x: Tensor) -> None:
    pyro.sample("mean", Normal(torch.zeros(()).double(), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("z", Normal(x, 1.0))


class Own(Mean):
    """The same data with a latent each."""

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(()).double(), 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(x / 2, 0.7))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"share all latents in \['shared'\] only"):
        compare_guides({"shared": Mean(), "own": Own()}, X, 50)
    with pytest.raises(ProgramError, match="'mean' outside beside others"):
        compare_guides({"both": dgmppl.Pair(nested, rough)}, X, 50)
    with pytest.raises(ValueError, match="at least one program"):
        compare_guides({}, X)
