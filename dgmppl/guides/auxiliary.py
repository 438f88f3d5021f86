"""A guide made richer by a variable of its own, which the model learns to explain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyro
import torch
from torch import Tensor, nn
from torch.distributions import constraints

from dgmppl.guides.amortized import Amortized
from dgmppl.guides.discrete import Discrete
from dgmppl.guides.family import Family, at_least
from dgmppl.guides.latent import Latent
from dgmppl.guides.order import Order
from dgmppl.site_checks import ProgramError

__all__ = ["Auxiliary"]


class Auxiliary(Amortized):
    """q(z | x) = ∫ q(a | x) q(z | a, x) da, a mixture of infinitely many members of a family.

    It has no density, but beside a reverse model r(a | x, z) its draws give a bound:

        log p(x) ≥ E_q(a,z|x)[log p(x, z) + log r(a|x, z) − log q(a|x) − log q(z|a, x)]

    which several particles tighten as ever, for p(x, z) r(a|x, z) is a model of the same evidence.
    Learning may leave a unused: the guide then is no better than its family, and other starts are.
    The guide draws the site `name`; where data are given, `with_guide` (or `Pair`) lets r follow
    the model, which is not edited. The parameters of r so belong to the model's side. Wake–sleep
    refuses this guide: dreams of data have no a.

    Arguments:
        program: A program (its own guide, if any, is ignored), or a Pyro model.
        features: A network called with the batch as the guide is; its value is `[B, F]`. q and r
            share it.
        example: A batch to look at the model with.
        size: Length of a.
        name: Its site.
        family: The family of every factor of q and of r.
        order: In what order the model's sites are drawn, and what each sees of the others; all of
            them see a.
        sites: The latent sites to draw; all by default.

    References:
        An Auxiliary Variational Method, Felix Agakov and David Barber, 2004.
        https://doi.org/10.1007/978-3-540-30499-9_86
        Markov Chain Monte Carlo and Variational Inference: Bridging the Gap, Tim Salimans, Diederik
        Kingma, Max Welling, 2015. https://arxiv.org/abs/1410.6460
        Hierarchical Variational Models, Rajesh Ranganath, Dustin Tran, David Blei, 2016.
        https://arxiv.org/abs/1511.02386
        Auxiliary Deep Generative Models, Lars Maaløe et al., 2016. https://arxiv.org/abs/1602.05473

    Example:
        >>> import dgmppl
        >>> from dgmppl.guides import Auxiliary
        >>> from dgmppl.models.vae import VAE
        >>> program, x = VAE(data_dim=6, z_dim=2), torch.ones(5, 6)
        >>> guided = program.with_guide(Auxiliary(program, nn.Linear(6, 8), x, size=3))
        >>> tables = dgmppl.weights(guided, x)
        >>> list(tables.log_p), list(tables.log_q)
        (['z', 'x', 'a'], ['a', 'z'])
    """

    def __init__(
        self,
        program: nn.Module | Callable[..., Any],
        features: nn.Module,
        example: Any,
        *,
        size: int,
        name: str = "a",
        family: Family | None = None,
        order: Order | None = None,
        sites: Collection[str] | None = None,
    ):
        at_least("an auxiliary variable with a size", size, 1, "size=2")
        self.auxiliary = Latent(name, torch.Size([size]), constraints.real_vector)
        super().__init__(program, features, example, family=family, order=order, sites=sites)

    def _build(
        self,
        latents: Sequence[Latent | Discrete],
        parents: dict[str, tuple[str, ...]],
        encoded: Tensor,
    ) -> None:
        """Every site sees the auxiliary variable, and its reverse model sees every site."""
        name, drawn = self.auxiliary.name, [latent.name for latent in latents]
        if name in drawn:
            raise ProgramError(
                f"The model has a site '{name}'. Expected another name for the guide's auxiliary "
                "variable. Try name=…."
            )
        seen = {name: (), **{site: (name, *others) for site, others in parents.items()}}
        super()._build((self.auxiliary, *latents), seen, encoded)
        self.reverse_join, self.reverse_head = self._factor(name, drawn, encoded)

    def reverse(self, latents: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """r(a | x, z) after the model.

        Arguments:
            latents: Latent site of the model → its values.
            args: The batch, as the guide is called with it.
            kwargs: Likewise.
        """
        features = self.features(*args, **kwargs)
        own = [latent for latent in self.latents.values() if latent is not self.auxiliary]
        joined = self.reverse_join(features, [site.flat(latents[site.name]) for site in own])
        marked: Any = {"is_auxiliary": True}
        with self.rows.plate(len(features)):
            fn = self.auxiliary.place(self.reverse_head(joined))
            return pyro.sample(self.auxiliary.name, fn, infer=marked)
