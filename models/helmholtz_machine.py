"""Helmholtz machine: a sigmoid belief net and a net that recognises its causes.

        h2 ──▶ h1 ──▶ x        p(h2) p(h1|h2) p(x|h1), every unit Bernoulli(σ(linear))
         ▲─ ─ ─ ▲─ ─ ─┘        q(h1|x) q(h2|h1), likewise, with arrows the other way

All latent units are binary, so no gradient passes through draws. The recipes are answers to that:
let the guide learn from the model's dreams (wake–sleep), from weighted draws (reweighted), or by
its score, measured against what a network expects (NVIL) or against the other draws (VIMCO).

References:
    The Wake-Sleep Algorithm for Unsupervised Neural Networks, Geoffrey Hinton et al., 1995.
        https://doi.org/10.1126/science.7761831
    Reweighted Wake-Sleep, Jörg Bornschein and Yoshua Bengio, 2014. https://arxiv.org/abs/1406.2751
    Neural Variational Inference and Learning in Belief Networks, Andriy Mnih and Karol Gregor,
        2014. https://arxiv.org/abs/1402.0030
    Variational Inference for Monte Carlo Objectives, Andriy Mnih and Danilo Rezende, 2016.
        https://arxiv.org/abs/1602.06725
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import (
    ELBO,
    IWAE,
    VIMCO,
    InputDependent,
    ReweightedWakeSleep,
    ScoreFunction,
    WakeSleep,
)
from dgmppl.recipes import Recipe

__all__ = ["HelmholtzMachine", "recipes"]


class HelmholtzMachine(dgmppl.Program):
    """Layers of binary units, each a linear function of the one above.

    Arguments:
        data_dim: Number of pixels.
        layers: Units of each hidden layer, from the data upwards.
    """

    def __init__(self, data_dim: int = 784, layers: Sequence[int] = (200, 200)):
        super().__init__()
        widths = (data_dim, *layers)
        pairs = list(itertools.pairwise(widths))
        self.top = nn.Parameter(torch.zeros(widths[-1]))
        self.down = nn.ModuleList(nn.Linear(above, below) for below, above in pairs)
        self.up = nn.ModuleList(nn.Linear(below, above) for below, above in pairs)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(h_L) … p(h_1|h_2) p(x|h_1), x of shape `[B, data_dim]`."""
        logits = self.top
        with dgmppl.data_plate(x, n):
            for i in reversed(range(len(self.down))):
                h = pyro.sample(f"h{i + 1}", Bernoulli(logits=logits).to_event(1))
                logits = self.down[i](h)
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(h_1|x) q(h_2|h_1) …."""
        with dgmppl.data_plate(x):
            h = x
            for i, up in enumerate(self.up):
                h = pyro.sample(f"h{i + 1}", Bernoulli(logits=up(h)).to_event(1))


BASE = Recipe(program=HelmholtzMachine, optimizer=partial(torch.optim.Adam, lr=3e-3))

recipes = {
    "wake-sleep": replace(BASE, objective=WakeSleep(), about="Helmholtz machine by wake–sleep"),
    "rws": replace(
        BASE,
        objective=ReweightedWakeSleep(num_particles=10),
        about="Helmholtz machine by reweighted wake–sleep, K = 10",
    ),
    "nvil": replace(
        BASE,
        objective=ELBO(gradient=ScoreFunction(baseline=InputDependent())),
        about="Helmholtz machine by NVIL: the score function with a learned baseline",
    ),
    "vimco": replace(
        BASE,
        objective=IWAE(num_particles=10, gradient=VIMCO()),
        about="Helmholtz machine by VIMCO, K = 10",
    ),
}
