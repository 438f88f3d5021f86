"""Vectors and codes are drawn together by the right gradients; moving codes move once a step."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Categorical, Delta, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.distributions import Coded, Quantized, perplexity
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


@pytest.mark.parametrize(
    "bound",
    [
        ELBO(gradient=ScoreFunction()),
        ELBO(gradient=StickingTheLanding()),
        ELBO(num_particles=3),
        IWAE(num_particles=3),
    ],
    ids=repr,
)
def test_every_estimator_gives_one_gradient_for_nothing_is_random(bound: Any) -> None:
    program, x = made("gradient")
    parameters = list(program.parameters())
    expected = torch.autograd.grad(losses(ELBO(), program, x).surrogate, parameters)
    for found in zip(
        torch.autograd.grad(losses(bound, program, x).surrogate, parameters), expected, strict=True
    ):
        torch.testing.assert_close(*found)


def test_the_prior_learns_and_gives_nothing_to_the_encoder() -> None:
    program, x = made("moving")
    w = dgmppl.weights(program, x)
    total = w.log_p["z"].sum()
    grads = torch.autograd.grad(total, [program.logits, program.encoder.weight], allow_unused=True)
    assert grads[0].abs().sum() > 0 and grads[1] is None


QUIET: dict[str, Any] = {"device": "cpu", "progress": False}


@pytest.mark.parametrize("bound", [IWAE(num_particles=4), ELBO(gradient=StickingTheLanding())])
def test_a_moving_codebook_moves_once_a_step_and_not_in_validation(bound: Any) -> None:
    program, x = made("moving")
    once = MovingCodebook(5, 2, decay=0.9, restart=0.0)
    program.codebook.restart = 0.0
    once.load_state_dict(program.codebook.state_dict())
    vectors, _, fn = parts(program, x)
    once.update(vectors.detach(), fn.indices)
    objective = bound + VectorQuantization("z")
    dgmppl.fit(program, x, objective, epochs=1, batch_size=None, validation=x, **QUIET)
    dgmppl.evidence(program, x)
    dgmppl.weights(program, x, num_particles=3)
    for name, buffer in once.state_dict().items():
        torch.testing.assert_close(program.codebook.state_dict()[name], buffer)


def test_a_run_that_was_interrupted_ends_with_the_same_codes(tmp_path: Path) -> None:
    """Also where most codes start anew at random in every step."""

    def learn(name: str, **settings: Any) -> dict[str, Tensor]:
        program, x = made("moving")
        program.codebook.restart = 0.9
        objective = ELBO() + VectorQuantization("z")
        dgmppl.fit(
            program, x, objective, batch_size=4, directory=tmp_path / name, **QUIET | settings
        )
        return program.state_dict()

    learn("parts", epochs=2)
    parts, whole = learn("parts", epochs=4, resume=True), learn("whole", epochs=4)
    assert all(torch.equal(parts[key], whole[key]) for key in whole)


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


def test_learning_finds_clusters() -> None:
    """Four places in space need four pairs of codes; a Gaussian around them leaves their spread."""
    program, _ = made("moving")
    x = 3 * torch.randn(4, 3)[torch.randint(4, (256,))] + 0.1 * torch.randn(256, 3)
    objective = ELBO() + VectorQuantization("z")
    optimizer = partial(torch.optim.Adam, lr=0.02)
    run = dgmppl.fit(program, x, objective, optimizer=optimizer, epochs=60, **QUIET)
    first, last = run.history.epochs[0], run.history.epochs[-1]
    noise = Normal(0.0, 1.0).log_prob(torch.zeros(3)).sum() - 0.5 * 3 * 0.1**2
    assert first["x"] < noise - 5 and noise - 0.5 < last["x"] < noise + 0.01
    assert last["perplexity_z"] > 2
