"""Generative stochastic network: a chain that corrupts and restores draws from the data.

        x ──▶ x̃ ──▶ x' ──▶ x̃' ──▶ x'' …      x̃ ~ C(x̃|x), some pixels at random
                                              x' ~ Bernoulli(restorer(x̃))

Walkback: the chain leaves a datum for some steps, and every restoration is to give that datum back,
so that the chain returns from wherever it strays to. No critic, and no partition function.

References:
    Deep Generative Stochastic Networks Trainable by Backprop, Yoshua Bengio, Éric Thibodeau-Laufer,
    Guillaume Alain, Jason Yosinski, 2013. https://arxiv.org/abs/1306.1091
    Generalized Denoising Auto-Encoders as Generative Models, Yoshua Bengio, Li Yao, Guillaume
    Alain, Pascal Vincent, 2013. https://arxiv.org/abs/1305.6663
"""

from __future__ import annotations

import pyro
import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import ExpectedLikelihood
from dgmppl.recipes import Recipe

__all__ = ["GenerativeStochasticNetwork", "recipes"]

WALKBACK = 4


class GenerativeStochasticNetwork(dgmppl.Program):
    """A restorer of corrupted binary pictures.

    Arguments:
        data_dim: Number of pixels.
        hidden_features: Width of the restorer.
        corruption: The share of pixels that are drawn anew, even odds for black and white.
        burn_in: Steps of the chain, from even odds, before its state is a draw.
    """

    def __init__(
        self,
        data_dim: int = 64,
        hidden_features: int = 500,
        corruption: float = 0.3,
        burn_in: int = 100,
    ):
        super().__init__()
        self.corruption, self.burn_in = corruption, burn_in
        self.register_buffer("even", torch.full((data_dim,), 0.5))
        self.restorer = nn.Sequential(
            nn.Linear(data_dim, hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, data_dim),
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The chain's last state, of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            state, steps = x, WALKBACK
            if x is None:
                state, steps = self._pixels("start", self.even), self.burn_in
            for k in range(1, steps):
                logits = self._restored(state, k)
                if x is not None:
                    pyro.sample(f"x{k}", Bernoulli(logits=logits).to_event(1), obs=x)
                state = pyro.sample(f"state{k}", Bernoulli(logits=logits.detach()).to_event(1))
            logits = self._restored(state, steps)
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)

    def _restored(self, state: Tensor, k: int) -> Tensor:
        """The logits of a corrupted state's restoration."""
        kept = self._pixels(f"kept{k}", 1.0 - 2.0 * self.corruption * self.even)
        noise = self._pixels(f"noise{k}", self.even)
        restored: Tensor = self.restorer(torch.where(kept > 0, state, noise))
        return restored

    def _pixels(self, name: str, probs: Tensor) -> Tensor:
        """Independent pixels."""
        pixels: Tensor = pyro.sample(name, Bernoulli(probs).to_event(1))
        return pixels


recipes = {
    "generative-stochastic-network": Recipe(
        program=GenerativeStochasticNetwork,
        objective=ExpectedLikelihood(("x", *(f"x{k}" for k in range(1, WALKBACK)))),
        epochs=150,
        about="a chain that restores what it corrupts, learned by walkback",
    ),
}
