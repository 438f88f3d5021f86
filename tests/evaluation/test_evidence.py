"""Evidence: exact where it can be, elsewhere below that in expectation; bounded in memory."""

from __future__ import annotations

import math

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Categorical, Delta, MixtureSameFamily, Normal
from torch import Tensor

import dgmppl
from dgmppl.data import DynamicBinarisation, TensorData
from dgmppl.energy import Binary
from dgmppl.lowering import Plain


class Linear(dgmppl.Program):
    """p(z) = N(0, 1), p(x|z) = N(z, 1): p(x) = N(0, √2), posterior N(x/2, √½)."""

    def __init__(self, scale: float = math.sqrt(0.5)) -> None:
        super().__init__()
        self.scale = scale

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))
            return pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("z", Normal(x / 2, self.scale))


X = torch.linspace(-2, 2, 7, dtype=torch.float64)
EXACT = Normal(0.0, math.sqrt(2.0)).log_prob(X)


def test_the_exact_posterior_as_guide_gives_the_exact_evidence_without_error() -> None:
    result = dgmppl.evidence(Linear(), X, 10, seed=0)
    assert torch.allclose(result.value, EXACT, atol=1e-12)
    assert float(result.standard_error.max()) < 1e-6
    assert result.kind == "lower bound"


def test_importance_sampling_is_right_within_its_standard_error() -> None:
    result = dgmppl.evidence(Linear(scale=1.0), X, 20_000, seed=1)
    assert ((result.value - EXACT).abs() < 4 * result.standard_error + 1e-9).all()
    assert (result.standard_error > 0).all()


def test_the_standard_error_is_that_of_repeated_estimates() -> None:
    runs = [dgmppl.evidence(Linear(scale=1.0), X, 400, seed=seed) for seed in range(60)]
    spread = torch.stack([run.value for run in runs]).std(0)
    said = torch.stack([run.standard_error for run in runs]).mean(0)
    assert ((said / spread) > 0.7).all() and ((said / spread) < 1.4).all()


def test_chunks_do_not_change_the_estimator() -> None:
    whole = dgmppl.evidence(Linear(scale=1.0), X, 5_000, rows=2**20, seed=0)
    parts = dgmppl.evidence(Linear(scale=1.0), X, 5_000, rows=56, seed=0)
    error = (whole.standard_error**2 + parts.standard_error**2).sqrt()
    assert ((whole.value - parts.value).abs() < 4 * error).all()


def test_no_more_rows_than_asked_for_are_in_memory_at_once() -> None:
    seen = []

    class Watching(Linear):
        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            value = super().model(x, n)
            seen.append(value.numel() if x is None else 0)
            return value

        def guide(self, x: Tensor) -> Tensor:
            z = super().guide(x)
            seen.append(z.numel())
            return z

    dgmppl.evidence(Watching(), torch.zeros(100, dtype=torch.float64), 5_000, rows=512)
    assert max(seen) <= 512


class Mixture(dgmppl.Program):
    def __init__(self) -> None:
        super().__init__()
        self.loc = torch.nn.Parameter(torch.tensor([-1.0, 2.0, 0.5], dtype=torch.float64))
        self.logits = torch.nn.Parameter(torch.tensor([0.1, -0.4, 0.3], dtype=torch.float64))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            k = pyro.sample("k", Categorical(logits=self.logits))
            flip = pyro.sample("flip", Bernoulli(torch.tensor(0.3, dtype=torch.float64)))
            return pyro.sample("x", Normal(self.loc[k.long()] + flip, 0.5), obs=x)


def test_enumerable_latents_are_summed_exactly() -> None:
    program = Mixture()
    result = dgmppl.evidence(program, X)
    flip = torch.tensor([0.7, 0.3], dtype=torch.float64)
    probs = torch.outer(flip, torch.softmax(program.logits, 0)).flatten()
    locs = torch.cat([program.loc, program.loc + 1])
    truth = MixtureSameFamily(Categorical(probs), Normal(locs, 0.5)).log_prob(X)
    assert result.kind == "exact"
    assert torch.allclose(result.value, truth.detach(), atol=1e-12)


def test_a_global_latent_gives_the_evidence_of_the_whole_batch() -> None:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(mu, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        precision = 1.0 + len(x)
        pyro.sample("mu", Normal(x.sum() / precision, precision**-0.5))

    result = dgmppl.evidence(dgmppl.Pair(model, guide), X, 50, seed=0)
    covariance = torch.eye(7, dtype=torch.float64) + 1.0
    exact = torch.distributions.MultivariateNormal(torch.zeros(7).double(), covariance).log_prob(X)
    assert result.value.shape == (1,)
    assert torch.allclose(result.value, exact, atol=1e-10)


def test_what_has_no_density_is_unavailable_and_says_why() -> None:
    class Generator(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                noise = pyro.sample("noise", Normal(torch.zeros(2), 1.0).to_event(1))
                return dgmppl.implicit("x", noise * 2, obs=x)

    class Machine(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                v = dgmppl.units("v", Binary(26), obs=x)
                h = dgmppl.units("h", Binary(26))
                pyro.factor("energy", (v * h).sum(-1))

    cases = ((Generator(), torch.zeros(4, 2), "x"), (Machine(), torch.ones(4, 26), "v"))
    for program, x, site in cases:
        result = dgmppl.evidence(program, x)
        assert result.kind == "unavailable" and f"'{site}'" in result.reason
        with pytest.raises(dgmppl.NoDensityError, match=site):
            _ = result.mean


def test_a_point_guide_is_refused() -> None:
    class Point(Linear):
        def guide(self, x: Tensor) -> Tensor:
            with dgmppl.data_plate(x):
                return pyro.sample("z", Delta(x / 2))

    result = dgmppl.evidence(Point(), X)
    assert result.kind == "unavailable" and "'z'" in result.reason


class Coins(dgmppl.Program):
    """Two bits at once, x ~ N(sum, 1), and a guide that bets all on one pair."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            c = pyro.sample("c", Bernoulli(torch.tensor([0.3, 0.6])).to_event(1))
            return pyro.sample("x", Normal(c.sum(-1), 1.0), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample(
                "c", Delta((x[:, None] > torch.tensor([0.5, 0.0])) * 1.0, event_dim=1)
            )


def test_a_point_guide_of_a_discrete_site_gives_a_lower_bound() -> None:
    """Its probability there is 1, so log p(x, c) − 0 is one term of the exact sum."""
    x, pairs = X.float(), torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    log_prior = Bernoulli(torch.tensor([0.3, 0.6])).log_prob(pairs).sum(-1)
    joint = log_prior + Normal(pairs.sum(-1), 1.0).log_prob(x[:, None])
    result = dgmppl.evidence(Coins(), x, 1000)
    assert result.kind == "lower bound" and result.num_particles == 1
    assert (result.value < joint.logsumexp(-1)).all()
    chosen = (2 * (x > 0.5) + (x > 0)).long()
    torch.testing.assert_close(result.value, joint.gather(-1, chosen[:, None])[:, 0])
    assert torch.equal(result.standard_error, torch.zeros(len(x)))


def test_a_missing_guide_is_said() -> None:
    class Bare(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            return Linear.model(self, x, n)

    assert "with_guide" in dgmppl.evidence(Bare(), X).reason


def test_data_sets_are_scored_with_their_own_treatment() -> None:
    class Pixels(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                return pyro.sample("x", Bernoulli(torch.full((3,), 0.5)).to_event(1), obs=x)

    grey = TensorData(torch.full((5, 3), 0.4), transform=DynamicBinarisation())
    result = dgmppl.evidence(Pixels(), grey)
    assert torch.allclose(result.value, torch.tensor(3 * math.log(0.5)).expand(5))


def test_bits_per_dim() -> None:
    assert float(dgmppl.bits_per_dim(torch.tensor(-784 * math.log(2.0)), 784)) == pytest.approx(1.0)
    uniform = torch.tensor(0.0)  # the uniform density on [0, 1] is one of 256 equally likely levels
    assert float(dgmppl.bits_per_dim(uniform, 10, levels=256)) == pytest.approx(8.0)


def test_a_seed_binarises_alike_for_programs_that_draw_differently() -> None:
    class Pixels(dgmppl.Program):
        def __init__(self, noise: int) -> None:
            super().__init__()
            self.noise = noise
            self.seen: list[Tensor] = []

        def model(self, x: Tensor, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                pyro.sample("z", Normal(torch.zeros(self.noise), 1.0).to_event(1))
                return pyro.sample("x", Bernoulli(torch.full((3,), 0.5)).to_event(1), obs=x)

        def guide(self, x: Tensor) -> Tensor:
            self.seen.append(x)
            with dgmppl.data_plate(x):
                return pyro.sample("z", Normal(torch.zeros(self.noise), 1.0).to_event(1))

    grey = TensorData(torch.full((40, 3), 0.5), transform=DynamicBinarisation())
    programs = Pixels(1), Pixels(7)
    for program in programs:
        dgmppl.evidence(program, grey, 2, rows=64, seed=0)
    few, many = (torch.cat(program.seen[1:]) for program in programs)
    assert torch.equal(few, many) and 0 < float(few.mean()) < 1


def test_the_same_bits_by_graphs() -> None:
    """Over data and particles that end with chunks of other sizes."""
    torch.manual_seed(0)
    program, x = Linear(scale=1.0), torch.randn(70, dtype=torch.float64)
    found = [
        dgmppl.evidence(program, x, 50, rows=256, seed=3, compile=compile)
        for compile in (False, Plain())
    ]
    assert torch.equal(found[0].value, found[1].value)
    assert torch.equal(found[0].standard_error, found[1].standard_error)
