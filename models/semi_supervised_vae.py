"""Semi-supervised and hybrid variational autoencoders: p(x, y) from data with few labels.

        y ──▶ x ◀── z        p(y) = 1/C   p(z) = N(0, I)   p(x|y,z) = Bernoulli(decoder(y, z))
                             q(y|x) = Categorical(classifier(x))   q(z|x,y) = N(μ(x,y), σ²(x,y))

        z ──▶ x ──▶ y        p(z) = N(0, I)   p(x|z) = Bernoulli(decoder(z))
                             p(y|x) = Categorical(classifier(h(x)))   q(z|x) = encoder(h(x))

A batch is {"x": `[B, data_dim]`, "y": `[B]`}, the label −1 where it is hidden. In the first (M2) y
is latent and the guide certain of labels in view; in the hybrid they are observed. Both know
log p(x, y): how probable a decision is, and how probable what it is about.

References:
    Semi-Supervised Learning with Deep Generative Models, Diederik Kingma et al., 2014.
        https://arxiv.org/abs/1406.5298
    Hybrid Models with Deep and Invertible Features, Eric Nalisnick et al., 2019.
        https://arxiv.org/abs/1902.02767
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Categorical, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import SomeLabels, shown
from dgmppl.objectives import ELBO, Enumerate, Supervised
from dgmppl.recipes import DIGITS, Recipe
from dgmppl.schedules import Linear

__all__ = ["HybridVAE", "SemiSupervisedVAE", "log_joint", "recipes"]


class Net(nn.Module):
    """Two hidden layers of rectifiers, `[*batch in] → [*batch out]`, the first told a class."""

    def __init__(self, in_features: int, hidden: int, out_features: int, classes: int = 1):
        super().__init__()
        self.first = nn.Linear(in_features, hidden)
        self.of_class = nn.Embedding(classes, hidden) if classes > 1 else None
        second, last = nn.Linear(hidden, hidden), nn.Linear(hidden, out_features)
        self.rest = nn.Sequential(nn.ReLU(), second, nn.ReLU(), last)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        hidden = self.first(x)  # once for all classes
        return self.rest(hidden if self.of_class is None else hidden + self.of_class(y))


class SemiSupervisedVAE(dgmppl.Program):
    """A class and a style, both latent (M2): bounds log p(x, y) or log p(x), row by row.

    Arguments:
        data_dim: Number of pixels.
        num_classes: C.
        z_dim: Size of the style.
        hidden_features: Width of all networks.
    """

    def __init__(
        self, data_dim: int = 64, num_classes: int = 10, z_dim: int = 10, hidden_features: int = 200
    ):
        super().__init__()
        self.num_classes, self.z_dim = num_classes, z_dim
        self.classifier = Net(data_dim, hidden_features, num_classes)
        self.encoder = Net(data_dim, hidden_features, 2 * z_dim, num_classes)
        self.decoder = Net(z_dim, hidden_features, data_dim, num_classes)

    def model(self, x: dict[str, Tensor] | None = None, n: int = 1) -> dict[str, Tensor]:
        """p(y) p(z) p(x|y,z)."""
        with dgmppl.data_plate(x, n):
            y = pyro.sample("y", Categorical(logits=torch.zeros(self.num_classes)))
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            pixels = Bernoulli(logits=self.decoder(z, y)).to_event(1)
            return {"x": pyro.sample("x", pixels, obs=None if x is None else x["x"]), "y": y}

    def guide(self, x: dict[str, Tensor]) -> None:
        """q(y|x) q(z|x,y), certain of the labels in view."""
        in_view = shown(x["y"], self.num_classes)[:, None]
        is_label = x["y"][:, None] == torch.arange(self.num_classes)
        certain = torch.where(is_label, 0.0, -1e4)  # finite, for 0 · −∞ would spoil sums over y
        with dgmppl.data_plate(x):
            logits = torch.where(in_view, certain, self.classifier(x["x"]))
            y = pyro.sample("y", Categorical(logits=logits))
            loc, log_scale = self.encoder(x["x"], y).chunk(2, -1)
            pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


class HybridVAE(dgmppl.Program):
    """p(x) and p(y|x) of shared features; arguments as of `SemiSupervisedVAE`."""

    def __init__(
        self, data_dim: int = 64, num_classes: int = 10, z_dim: int = 10, hidden_features: int = 200
    ):
        super().__init__()
        self.num_classes, self.z_dim = num_classes, z_dim
        self.features = nn.Sequential(Net(data_dim, hidden_features, hidden_features), nn.ReLU())
        self.classifier = nn.Linear(hidden_features, num_classes)
        self.encoder = nn.Linear(hidden_features, 2 * z_dim)
        self.decoder = Net(z_dim, hidden_features, data_dim)

    def model(self, x: dict[str, Tensor] | None = None, n: int = 1) -> dict[str, Tensor]:
        """p(z) p(x|z) p(y|x), the last for labels in view."""
        in_view = x is None or shown(x["y"], self.num_classes)
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            pixels = Bernoulli(logits=self.decoder(z)).to_event(1)
            drawn = pyro.sample("x", pixels, obs=None if x is None else x["x"])
            label = Categorical(logits=self.classifier(self.features(drawn))).mask(in_view)
            y = pyro.sample("y", label, obs=None if x is None else x["y"].clamp(min=0))
            return {"x": drawn, "y": y}

    def guide(self, x: dict[str, Tensor]) -> None:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(self.features(x["x"])).chunk(2, -1)
            pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


def log_joint(program: SemiSupervisedVAE | HybridVAE, x: Tensor, draws: int = 100) -> Tensor:
    """log p(x, y) of every class, `[B, C]`: its softmax is p(y|x), its logsumexp log p(x)."""
    labels = [torch.full((len(x),), y) for y in range(program.num_classes)]
    # one seed, so that no class is preferred for its draws
    values = [dgmppl.evidence(program, {"x": x, "y": y}, draws, seed=0).value for y in labels]
    return torch.stack([value for value in values if value is not None], -1)


WARM_UP = Linear(0.0, 1.0, epochs=40)  # the class would else say all that the style could
BASE = Recipe(
    program=SemiSupervisedVAE,
    objective=ELBO(gradient=Enumerate(), temper={"z": WARM_UP}) + 10 * Supervised("y"),
    data=partial(DIGITS, labels=SomeLabels(100)),
    optimizer=partial(torch.optim.Adam, lr=3e-3),
    epochs=100,
    about="VAE of class and style from 100 labels, the others summed over",
)
recipes = {
    "semi-supervised-vae": BASE,
    "hybrid-vae": replace(
        BASE,
        program=HybridVAE,
        objective=ELBO(temper={"y": 10.0, "z": WARM_UP}),
        about="VAE and classifier of shared features, from 100 labels",
    ),
}
