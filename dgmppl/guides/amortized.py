"""A guide that is built by looking at the model: q(latents | features of the data)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from dgmppl.guides.diagonal import Diagonal
from dgmppl.guides.discrete import Discrete
from dgmppl.guides.family import Family
from dgmppl.guides.latent import Latent
from dgmppl.guides.look import look
from dgmppl.guides.order import BottomUp, Order

__all__ = ["Amortized", "amortized"]


class Join(nn.Module):
    """Features and the draws that a site sees, side by side and through one layer of tanh units.

    They are passed on as they are, too, so that what depends on them linearly can.
    """

    def __init__(self, features: int, drawn: int):
        super().__init__()
        self.out_features = features + drawn
        self.layer: nn.Module | None = None
        if drawn:
            self.layer = nn.Sequential(nn.Linear(features + drawn, features + drawn), nn.Tanh())
            self.out_features *= 2

    def forward(self, features: Tensor, drawn: list[Tensor]) -> Tensor:
        """`[B, features]` and several `[*batch, size]` → `[*batch, out_features]`."""
        if self.layer is None:
            return features
        batch = drawn[0].shape[:-1]
        parts = [features, *(values.to(features.dtype) for values in drawn)]
        joint = torch.cat([part.expand(*batch, -1) for part in parts], -1)
        return torch.cat([joint, self.layer(joint)], -1)


class Amortized(nn.Module):
    """q(latents | x), derived from a model's latent sites, their shapes, supports and order.

    q(z | x) = Π_i q(z_i | h(x), draws that the order lets z_i see). Factors of continuous sites are
    of one family, sent through a bijection to the site's support. A discrete site's factor is of
    its prior's own kind, its values independent of each other given what they see. The features h
    are the caller's network; one linear head a site gives each factor its parameters. Use it as
    `fit(program, data, guide=…)` or `program.with_guide(…)`. The model itself is not kept.

    Arguments:
        program: A program (its own guide, if any, is ignored), or a Pyro model.
        features: A network called with the batch as the guide is; its value is `[B, F]`.
        example: A batch to look at the model with.
        family: The family of each continuous factor.
        order: In what order sites are drawn, and what each sees of the others.
        sites: The latent sites to draw; all by default. Draw the others beside: see `Beside`.

    Raises:
        ProgramError: If a site is global, masked, in more plates than the data's, without a
            density, or discrete other than Bernoulli, Categorical and OneHotCategorical; the site
            and the cure are named.
        ValueError: If the family has no distribution over vectors of a site's length.

    References:
        Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
        https://arxiv.org/abs/1312.6114

    Example:
        >>> import dgmppl
        >>> from dgmppl.guides import Amortized, Full
        >>> from dgmppl.models.vae import VAE
        >>> program, x = VAE(data_dim=6, z_dim=2), torch.ones(5, 6)
        >>> features = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
        >>> guide = Amortized(program, features, x, family=Full())
        >>> dgmppl.weights(program.with_guide(guide), x, num_particles=3).log_q["z"].shape
        torch.Size([3, 5])
    """

    def __init__(
        self,
        program: nn.Module | Callable[..., Any],
        features: nn.Module,
        example: Any,
        *,
        family: Family | None = None,
        order: Order | None = None,
        sites: Collection[str] | None = None,
    ):
        super().__init__()
        self.family, self.order = family or Diagonal(), order or BottomUp()
        latents, self.rows, encoded = look(program, features, example, sites)
        self.features = features
        self._build(latents, self.order.parents([latent.name for latent in latents]), encoded)

    def _build(
        self,
        latents: Sequence[Latent | Discrete],
        parents: dict[str, tuple[str, ...]],
        encoded: Tensor,
    ) -> None:
        """Makes the layers of every site, each seeing its parents beside the features."""
        self.latents, self.parents = {latent.name: latent for latent in latents}, parents
        self.joins, self.heads = nn.ModuleList(), nn.ModuleList()  # names may hold dots
        for name, seen in self.parents.items():
            join, head = self._factor(name, seen, encoded)
            self.joins.append(join)
            self.heads.append(head)

    def _factor(
        self, name: str, seen: Collection[str], encoded: Tensor
    ) -> tuple[nn.Module, nn.Module]:
        """What joins the features and the draws that a site sees, and its head."""
        join = Join(encoded.shape[-1], sum(self.latents[other].size for other in seen))
        head = self.latents[name].head(self.family, join.out_features)
        return join.to(encoded), head.to(encoded)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Draws every site for a batch.

        Returns:
            Site → its values, `[*batch, *event]`.
        """
        features = self.features(*args, **kwargs)
        values: dict[str, Tensor] = {}
        flat: dict[str, Tensor] = {}
        with self.rows.plate(len(features)):
            for (name, seen), join, head in zip(
                self.parents.items(), self.joins, self.heads, strict=True
            ):
                fn = head(join(features, [flat[other] for other in seen]))
                values[name] = pyro.sample(name, self.latents[name].place(fn))
                flat[name] = self.latents[name].flat(values[name])
        return values

    def extra_repr(self) -> str:
        """What the guide found and how it factorises."""
        seen = {n: " | " + ", ".join((*p, "features")) for n, p in self.parents.items()}
        return f"{self.family}, " + " ".join(f"q({name}{given})" for name, given in seen.items())


#: The same under the name of what it does: `guides.amortized(model, features=net, example=x)`.
amortized = Amortized
