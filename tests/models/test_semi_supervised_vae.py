"""Labels in view and hidden: bounds, densities and decisions against sums and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pyro.distributions import Bernoulli
from statistics_of import exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.models.semi_supervised_vae import HybridVAE, SemiSupervisedVAE, log_joint
from dgmppl.objectives import ELBO, Enumerate, Progress, Supervised

X = torch.bernoulli(torch.full((4, 6), 0.5), generator=torch.Generator().manual_seed(0)).double()
BATCH = {"x": X, "y": torch.tensor([1, -1, 2, -1])}
SIZES = {"data_dim": 6, "num_classes": 3, "hidden_features": 8}


def without_style() -> SemiSupervisedVAE:
    """A program whose style does nothing, so that all its expectations are sums over classes."""
    torch.manual_seed(0)
    program = SemiSupervisedVAE(**SIZES, z_dim=2).double()
    for weight in (program.decoder.first.weight, *program.encoder.rest[-1].parameters()):
        nn.init.zeros_(weight)
    return program


def class_log_joint(program: SemiSupervisedVAE) -> Tensor:
    """log p(x, y) by hand, `[B, C]`."""
    pixels = program.decoder(torch.zeros(3, 2).double(), torch.arange(3))
    return Bernoulli(logits=pixels).log_prob(X[:, None]).sum(-1) - math.log(3)


def test_the_bound_is_of_pairs_where_labels_are_in_view_and_of_data_elsewhere() -> None:
    program = without_style()
    log_p, log_q = class_log_joint(program), program.classifier(X).log_softmax(-1)
    rows = torch.tensor([0, 2]), torch.tensor([1, 3])
    labelled = log_p[rows[0], BATCH["y"][rows[0]]].sum()
    unlabelled = (log_q.exp() * (log_p - log_q))[rows[1]].sum()
    exact = (labelled + unlabelled) / 4 + 2 * log_q[rows[0], BATCH["y"][rows[0]]].sum() / 4
    objective = ELBO(gradient=Enumerate()) + 2 * Supervised("y")
    found = objective.value(bind(program, BATCH), BATCH, Progress())
    torch.testing.assert_close(found, exact.detach())
    sure = [
        torch.full((p.numel(),), name != "decoder.first.weight")  # moved by the draws of the style
        for name, p in program.named_parameters()
    ]
    gradient = gradients(objective, program, BATCH, 1)[0]
    assert torch.isfinite(gradient).all()
    truth = exact_gradient(exact, program)
    torch.testing.assert_close(gradient[torch.cat(sure)], truth[torch.cat(sure)])


def test_the_joint_density_is_that_of_every_class() -> None:
    program = without_style()
    exact = class_log_joint(program).detach()
    torch.testing.assert_close(log_joint(program, X, 5), exact)
    in_view = dgmppl.evidence(program, BATCH, 5).value
    torch.testing.assert_close(in_view[[0, 2]], exact[[0, 2], [1, 2]])


def test_a_hybrid_knows_pairs_and_data() -> None:
    """log ∫ N(z) p(x|z) dz by quadrature, and beside it log p(y|x)."""
    torch.manual_seed(0)
    program = HybridVAE(**SIZES, z_dim=1).double()
    nodes, weight = map(torch.as_tensor, np.polynomial.hermite_e.hermegauss(80))
    with torch.no_grad():
        pixels = Bernoulli(logits=program.decoder(nodes[:, None])).log_prob(X[:, None]).sum(-1)
        decision = program.classifier(program.features(X)).log_softmax(-1)
    log_evidence = ((weight / weight.sum()).log() + pixels).logsumexp(-1)
    joint = log_joint(program, X, 20)
    torch.testing.assert_close(joint.log_softmax(-1), decision)
    in_view = [decision[0, 1], 0.0, decision[2, 2], 0.0]
    exact = log_evidence + torch.tensor(in_view, dtype=torch.float64)
    found = dgmppl.evidence(program, BATCH, 20_000, seed=0)
    assert ((found.value - exact).abs() <= 4 * found.standard_error).all()


def test_hidden_labels_teach_a_hybrid_no_class() -> None:
    program = HybridVAE(**SIZES).double()
    hidden = {**BATCH, "y": torch.full((4,), -1)}
    classifier = list(program.classifier.parameters())
    for batch, moves in ((BATCH, True), (hidden, False)):
        loss = ELBO().phases(bind(program, batch))[0].loss(bind(program, batch), batch, Progress())
        gradient = torch.autograd.grad(loss.surrogate, classifier)
        assert any(bool(part.any()) for part in gradient) is moves


@pytest.mark.parametrize("kind", [SemiSupervisedVAE, HybridVAE])
def test_a_label_that_is_none_is_refused(kind: type[SemiSupervisedVAE]) -> None:
    with pytest.raises(ValueError, match=r"entry 'y'|labels from 0 to 2"):
        bind(kind(**SIZES), {"x": X.float(), "y": torch.tensor([0, 1, 2, 3])})
