"""Vectors and codes are drawn together by the right gradients; moving codes move once a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Categorical, Delta, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.distributions import Coded, Quantized, perplexity
from dgmppl.inference import Run
from dgmppl.networks import MovingCodebook
from dgmppl.objectives import (
    ELBO,
    IWAE,
    ObjectiveError,
    Progress,
    ScoreFunction,
    StickingTheLanding,
    VectorQuantization,
)


class Pair(dgmppl.Program):
    """Two codes a datum of three numbers: z = (e_i, e_j), p(i, j) uniform, x ~ N(A z, 1)."""

    def __init__(self, codebook: nn.Module):
        super().__init__()
        self.encoder = nn.Linear(3, 4)
        self.decoder = nn.Linear(4, 3)
        self.logits = nn.Parameter(torch.zeros(2, 5))
        self.codebook: Any = codebook

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        prior = Categorical(logits=self.logits).to_event(1)
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Coded(prior, self.codebook.weight))
            return pyro.sample("x", Normal(self.decoder(z.flatten(-2)), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            vectors = self.encoder(x).unflatten(-1, (2, 2))
            pyro.sample("z", Quantized(vectors, self.codebook.weight))


def made(kind: str) -> tuple[Pair, Tensor]:
    torch.manual_seed(0)
    book = nn.Embedding(5, 2) if kind == "gradient" else MovingCodebook(5, 2, decay=0.9)
    return Pair(book), torch.randn(16, 3)


def parts(program: Pair, x: Tensor) -> tuple[Tensor, Tensor, Quantized]:
    """Vectors, their codes, and the distribution that chose these."""
    vectors = program.encoder(x).unflatten(-1, (2, 2))
    fn = Quantized(vectors, program.codebook.weight)
    return vectors, program.codebook.weight[fn.indices], fn


def losses(objective: Any, program: Pair, x: Tensor) -> Any:
    binding = dgmppl.bind(program, x)
    objective.check(binding)
    return objective.phases(binding)[0].loss(binding, x, Progress())


@pytest.mark.parametrize("beta", [0.25, 2.0])
def test_its_gradients_are_those_of_the_two_distances(beta: float) -> None:
    """Encoder: β ‖h − sg(e)‖²; codes: ‖sg(h) − e‖²; both a mean over data."""
    program, x = made("gradient")
    loss = losses(VectorQuantization("z", commitment=beta), program, x)
    vectors, codes, fn = parts(program, x)
    distance = (vectors - codes).square().sum((-2, -1)).mean()
    torch.testing.assert_close(loss.surrogate, (1 + beta) * distance)
    assert loss.value is None and loss.terms["distance_z"] == distance
    assert loss.terms["perplexity_z"] == perplexity(fn.indices, 5)
    weights = [program.encoder.weight, program.codebook.weight]
    found = torch.autograd.grad(loss.surrogate, weights)
    expected = torch.autograd.grad(distance, weights)
    torch.testing.assert_close(found[0], beta * expected[0])
    torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize("kind", ["gradient", "moving"])
def test_the_encoder_is_given_the_decoders_gradient_at_the_codes(kind: str) -> None:
    """With A z the decoder, ∂ log p(x|z) / ∂h = Aᵀ (x − A z), and the codes follow suit."""
    program, x = made(kind)
    loss = losses(ELBO(), program, x)
    _, codes, fn = parts(program, x)
    z = codes.detach().flatten(-2)
    to_vectors = (x - program.decoder(z)) @ program.decoder.weight / len(x)
    found = torch.autograd.grad(-loss.surrogate, program.encoder.weight, retain_graph=True)[0]
    torch.testing.assert_close(found, to_vectors.T @ x, rtol=1e-4, atol=1e-6)
    if kind == "gradient":
        to_codes = torch.autograd.grad(-loss.surrogate, program.codebook.weight)[0]
        by_hand = torch.zeros(5, 2).index_add_(0, fn.indices.flatten(), to_vectors.reshape(-1, 2))
        torch.testing.assert_close(to_codes, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "bound", [ELBO(), ELBO(gradient=StickingTheLanding()), IWAE(num_particles=3)], ids=repr
)
def test_the_value_is_the_bound_alone(bound: Any) -> None:
    """log p(x|z) + log p(z) at the codes, whatever the bound; distances leave it as it is."""
    program, x = made("moving")
    binding = dgmppl.bind(program, x)
    loss = losses(bound + VectorQuantization("z"), program, x)
    z = parts(program, x)[1].flatten(-2)
    log_p = Normal(program.decoder(z), 1.0).log_prob(x).sum(-1) - 2 * torch.tensor(5.0).log()
    torch.testing.assert_close(loss.value, log_p.mean().detach())
    value = (bound + VectorQuantization("z")).value(binding, x, Progress())
    torch.testing.assert_close(value.detach(), log_p.mean().detach())


def test_estimators_give_one_gradient_for_there_is_nothing_random() -> None:
    program, x = made("gradient")
    grads = []
    for bound in (ELBO(), ELBO(gradient=ScoreFunction()), IWAE(4), IWAE(4, StickingTheLanding())):
        if isinstance(bound.gradient, StickingTheLanding) and isinstance(bound, IWAE):
            continue
        loss = losses(bound, program, x)
        grads.append(torch.autograd.grad(loss.surrogate, list(program.parameters())))
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            torch.testing.assert_close(a, b)


def test_the_prior_learns_and_gives_nothing_to_the_encoder() -> None:
    program, x = made("moving")
    w = dgmppl.weights(program, x)
    total = w.log_p["z"].sum()
    grads = torch.autograd.grad(total, [program.logits, program.encoder.weight], allow_unused=True)
    assert grads[0].abs().sum() > 0 and grads[1] is None


def test_a_moving_codebook_moves_once_a_step_and_not_in_validation() -> None:
    program, x = made("moving")
    codes, seen = program.codebook.weight.clone(), []
    before = parts(program, x)
    twin = MovingCodebook(5, 2, decay=0.9)
    twin.load_state_dict(program.codebook.state_dict())
    settings: dict[str, Any] = {"batch_size": None, "device": "cpu", "progress": False}
    objective = IWAE(num_particles=4) + VectorQuantization("z")
    torch.manual_seed(0)
    dgmppl.fit(program, x, objective, epochs=0, validation=x, **settings)
    assert torch.equal(program.codebook.weight, codes)
    dgmppl.fit(program, x, objective, epochs=1, validation=x, seed=3, **settings)
    twin.update(before[0].detach(), before[2].indices)
    used = before[2].indices.unique()
    torch.testing.assert_close(program.codebook.weight[used], twin.weight[used])
    dgmppl.evidence(program, x)
    seen.append(program.codebook.counts.clone())
    torch.testing.assert_close(seen[0][used], twin.counts[used])


def test_a_run_that_was_interrupted_ends_with_the_same_codes(tmp_path: Path) -> None:
    """Also where unused codes start anew at random."""

    def stop(run: Run) -> None:
        run.stop("enough") if run.epoch == 2 and run.directory == tmp_path / "a" else None

    ends = []
    for name, callbacks in (("a", [stop]), ("b", [])):
        program, x = made("moving")
        program.codebook.restart = 0.9
        common: dict[str, Any] = {
            "objective": ELBO() + VectorQuantization("z"),
            "batch_size": 4,
            "device": "cpu",
            "progress": False,
            "directory": tmp_path / name,
        }
        dgmppl.fit(program, x, epochs=4, callbacks=callbacks, **common)
        if callbacks:
            program, _ = made("moving")
            program.codebook.restart = 0.9
            dgmppl.fit(program, x, epochs=4, resume=True, **common)
        ends.append(program.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


class Pointed(Pair):
    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            z = self.codebook.weight[torch.zeros(len(x), 2, dtype=torch.long)]
            pyro.sample("z", Delta(z + 0 * self.encoder(x).sum(), event_dim=2))


def test_what_it_refuses() -> None:
    program, x = made("gradient")
    for name in ("y", "x"):
        with pytest.raises(ObjectiveError, match=rf"'{name}' is none .*\['z'\].*Quantized"):
            VectorQuantization(name).check(dgmppl.bind(program, x))
    binding = dgmppl.bind(Pointed(nn.Embedding(5, 2)), x)
    with pytest.raises(ObjectiveError, match="'z', whose guide distribution is Delta"):
        VectorQuantization("z").loss(binding, x, Progress())


def test_it_reads_like_its_formula() -> None:
    text = str(ELBO() + VectorQuantization("z", commitment=0.5))
    assert text.endswith("+ [−‖sg(h_z) − e_z‖² − 0.5·‖h_z − sg(e_z)‖²]")
    assert "0.5" in VectorQuantization("z", commitment=0.5).latex


def test_learning_lowers_both_distances_and_uses_the_codes() -> None:
    program, _ = made("moving")
    x = torch.randn(256, 3)
    objective = ELBO() + VectorQuantization("z")
    run = dgmppl.fit(program, x, objective, epochs=40, device="cpu", progress=False)
    first, last = run.history.epochs[0], run.history.epochs[-1]
    assert last["distance_z"] < 0.5 * first["distance_z"]
    assert last["value"] > first["value"]
    assert last["perplexity_z"] > 3
