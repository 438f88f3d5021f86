"""Gaussian mixture, with its latent variable or without it.

        z ──▶ x          p(z) = Categorical(π)          p(x|z) = N(μ_z, σ_z²)

The sum over z gives p(x) = Σ_c π_c N(x; μ_c, σ_c²). Three ways of learning climb this one function:
the gradient through the sum, expectation maximisation in closed form, and the gradient of a mixture
density that has no latent at all. With two components z is a Bernoulli variable.

References:
    Maximum Likelihood from Incomplete Data via the EM Algorithm, Arthur Dempster, Nan Laird,
        Donald Rubin, 1977. https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    Pattern Recognition and Machine Learning, chapter 9, Christopher Bishop, 2006.
        https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.objectives import ExpectationMaximization, MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["MarginalMixture", "Mixture", "recipes"]


class Mixture(dgmppl.Program):
    """Gaussians of diagonal covariance, chosen by a latent variable.

    Arguments:
        data_dim: Dimensions of a datum.
        num_components: C, how many Gaussians.
        floor: Below every scale, in units of the data, so that no component can shrink onto one
            datum, where the likelihood is infinite.

    Example:
        >>> print(dgmppl.evidence(Mixture(num_components=3), torch.zeros(4, 2)).kind)
        exact
    """

    def __init__(self, data_dim: int = 2, num_components: int = 8, floor: float = 1e-3):
        super().__init__()
        self.floor = floor
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(torch.randn(num_components, data_dim))
        self.log_scale = nn.Parameter(torch.zeros(num_components, data_dim))

    @property
    def scale(self) -> Tensor:
        """Standard deviations `[C, data_dim]`."""
        return self.floor + self.log_scale.exp()

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        prior = Categorical(logits=self.logits)
        if len(self.logits) == 2:
            prior = Bernoulli(logits=self.logits[1] - self.logits[0])
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", prior).long()
            return pyro.sample("x", Normal(self.loc[z], self.scale[z]).to_event(1), obs=x)

    @torch.no_grad()
    def maximize(self, x: Tensor, posterior: Mapping[str, Tensor]) -> None:
        """Sets π, μ, σ to the maximum of E_{p(z|x)}[log p(x, z)] over scales above the floor.

        A component that no datum belongs to keeps its place, with a share of 1e-8.

        Arguments:
            x: All data, `[N, data_dim]`.
            posterior: "z" → p(z|x), `[N, C]`.
        """
        weight = posterior["z"]
        count = weight.sum(0)
        self.logits.copy_((count / len(x)).clamp(min=1e-8).log())
        share = weight / count.clamp(min=1e-6)
        loc = share.T @ x
        variance = torch.einsum("nc,ncd->cd", share, (x[:, None] - loc) ** 2)
        # a thousandth above the floor, so that log_scale stays finite
        log_scale = (variance.sqrt() - self.floor).clamp(min=1e-3 * self.floor).log()
        alive = (count > 1e-6)[:, None]
        self.loc.copy_(torch.where(alive, loc, self.loc))
        self.log_scale.copy_(torch.where(alive, log_scale, self.log_scale))


class MarginalMixture(Mixture):
    """The same density without a latent variable."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x) = Σ_c π_c N(x; μ_c, σ_c²), x of shape `[B, data_dim]`."""
        components = Normal(self.loc, self.scale).to_event(1)
        density = MixtureSameFamily(Categorical(logits=self.logits), components)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", density, obs=x)


RING = Recipe(
    program=Mixture,
    objective=MaximumLikelihood(),
    data=partial(load, name="ring", n=2000),
    optimizer=partial(torch.optim.Adam, lr=0.03),
    epochs=50,
)

recipes = {
    "mixture": replace(RING, about="Gaussian mixture, the latent summed over"),
    "mixture-em": replace(
        RING,
        objective=ExpectationMaximization(),
        batch_size=None,
        about="Gaussian mixture by expectation maximisation",
    ),
    "mixture-direct": replace(
        RING, program=MarginalMixture, about="Gaussian mixture without a latent"
    ),
}
