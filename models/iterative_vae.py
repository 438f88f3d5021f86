"""VAE whose guide looks again: an amortised guess, refined datum by datum with the model at hand.

        z ──▶ x            p(z) = N(0, I)             p(x|z) = Bernoulli(decoder(z))
        ▲     │            q(z|x) = N(μ_T, σ_T²)      λ = (μ, log σ),  λ_0 linear in h(x)
        └─────┘ ⟲ T steps  L(λ; x) = E_q[log p(x, z) − log q(z)]

    semi-amortised    λ_{t+1} = λ_t + ρ v,  v = γ v + ∇_λ L     differentiated through
    iterative         λ_{t+1} = g ⊙ λ_t + (1 − g) ⊙ f           f, g of λ_t, ∇_λ L, h(x), x − E[x|z]

What one look loses by sharing a network among all data, the amortisation gap, the steps win back.

References:
    Semi-Amortized Variational Autoencoders, Yoon Kim, Sam Wiseman, Andrew Miller, David Sontag,
        Alexander Rush, 2018. https://arxiv.org/abs/1802.02550
    Iterative Amortized Inference, Joseph Marino, Yisong Yue, Stephan Mandt, 2018.
        https://arxiv.org/abs/1807.09356
    Inference Suboptimality in Variational Autoencoders, Chris Cremer, Xuechen Li, David Duvenaud,
        2018. https://arxiv.org/abs/1801.03558
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import Iterative, SemiAmortized
from dgmppl.recipes import Recipe

__all__ = ["IterativeVAE", "iterative", "recipes", "semi_amortised"]


def layers(in_features: int, hidden_features: int) -> nn.Sequential:
    """Two hidden layers of tanh units, `[*batch in] → [*batch hidden]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, hidden_features),
        nn.Tanh(),
    )


class IterativeVAE(dgmppl.Program):
    """A Gaussian code under a Bernoulli likelihood; its guide is made for it from outside.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of every network.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200):
        super().__init__()
        self.data_dim, self.z_dim, self.hidden_features = data_dim, z_dim, hidden_features
        self.decoder = layers(z_dim, hidden_features)
        self.decoder.append(nn.Linear(hidden_features, data_dim))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)


def semi_amortised(
    program: IterativeVAE, steps: int = 5, rate: float = 0.1, num_particles: int = 4
) -> SemiAmortized:
    """Gradient ascent from an amortised start."""
    return SemiAmortized(
        program,
        layers(program.data_dim, program.hidden_features),
        torch.zeros(2, program.data_dim),
        steps=steps,
        rate=rate,
        num_particles=num_particles,
    )


def iterative(program: IterativeVAE, steps: int = 5, num_particles: int = 10) -> Iterative:
    """A learned update of an amortised start."""
    width = program.hidden_features
    return Iterative(
        program,
        layers(program.data_dim, width),
        torch.zeros(2, program.data_dim),
        steps=steps,
        hidden_features=width,
        errors=nn.Sequential(nn.Linear(program.data_dim, width // 2), nn.Tanh()),
        num_particles=num_particles,
    )


adam = partial(torch.optim.Adam, lr=3e-3)

recipes = {
    "iterative-vae": Recipe(
        program=IterativeVAE,
        guide=iterative,
        optimizer=adam,
        epochs=60,
        about="VAE whose guide improves itself by a learned update, 5 steps",
    ),
    "semi-amortised-vae": Recipe(
        program=IterativeVAE,
        guide=semi_amortised,
        optimizer=adam,
        epochs=60,
        about="VAE whose guide climbs each datum's own bound, 5 steps from an amortised start",
    ),
}
