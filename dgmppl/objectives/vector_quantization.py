"""What keeps codes and the vectors that choose them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.distributions import Quantized, perplexity
from dgmppl.networks import MovingCodebook
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.program import guide_of
from dgmppl.traces import isolated, module_device, sample_sites, trace

__all__ = ["VectorQuantization"]


@dataclass(frozen=True)
class VectorQuantization(Objective):
    """Draws vectors h to the codes e they choose, and the codes to the vectors.

    Added to a bound: `ELBO() + VectorQuantization("z")`. The vectors pay the commitment loss
    β ‖h − sg(e)‖². The codes follow by the gradient of ‖sg(h) − e‖² where they are parameters, and
    by running means, once a step, where they are a `MovingCodebook`. It adds nothing to the value,
    which stays the bound; it reports the squared distance and the perplexity of codes in the batch.

    Arguments:
        site: The site whose guide distribution is `Quantized`.
        commitment: β, in nats for a unit of squared distance.

    References:
        Neural Discrete Representation Learning, Aäron van den Oord, Oriol Vinyals, Koray
        Kavukcuoglu, 2017. https://arxiv.org/abs/1711.00937

    Example:
        >>> from dgmppl.objectives import ELBO
        >>> print(ELBO() + VectorQuantization("z"))
        E_q[log p(x,z) − log q(z|x)] + [−‖sg(h_z) − e_z‖² − 0.25·‖h_z − sg(e_z)‖²]
    """

    site: str = "z"
    commitment: float = 0.25

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The guide's vectors (and codes), then the moving codebook, if there is one."""
        follow = Phase(("codebook",), self.follow, gradient=False)
        return (Phase(("model", "guide"), self.loss), *([follow] if _moving(binding) else []))

    def check(self, binding: Binding) -> None:
        """The site is a latent that the guide quantises, one value a datum."""
        site = binding.sites.get(self.site)
        if site is None or not (site.in_model and site.point and site.local):
            points = [s.name for s in binding.latents if s.point]
            raise ObjectiveError(
                f"VectorQuantization needs a latent site that the guide quantises; site "
                f"'{self.site}' is none (the guide gives single values to {points}). Try "
                f"pyro.sample('{self.site}', Quantized(vectors, codes)) in the guide."
            )

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """Nothing: it is no part of the bound."""
        return torch.zeros((), device=module_device(binding.program))

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Squared distances a datum, and codes in use."""
        fn = self._drawn(binding, x)
        distance = _distance(fn.vectors, fn.chosen.detach(), fn)
        surrogate = self.commitment * distance
        if fn.codes.requires_grad:
            surrogate = surrogate + _distance(fn.vectors.detach(), fn.chosen, fn)
        progress.memory[f"quantized {self.site}"] = {
            "codebooks": [name for name, codes in _moving(binding) if codes.weight is fn.codes],
            "vectors": fn.vectors.detach(),
            "indices": fn.indices,
        }
        used = perplexity(fn.indices, len(fn.codes)).to(distance)
        terms = {f"distance_{self.site}": distance.detach(), f"perplexity_{self.site}": used}
        return Loss(surrogate, None, terms)

    def follow(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Moves the codebook to the vectors of the phase before."""
        found = progress.memory[f"quantized {self.site}"]
        for name, codes in _moving(binding):
            if name in found["codebooks"]:
                codes.update(found["vectors"], found["indices"])
        return Loss(found["vectors"].new_zeros(()), None, {})

    def _drawn(self, binding: Binding, x: Any) -> Quantized:
        """The guide's distribution at the site."""
        guide: Any = guide_of(binding.program)
        with isolated(binding.program):
            fn = sample_sites(trace(guide, x))[self.site]["fn"]
        if not isinstance(fn, Quantized):
            raise ObjectiveError(
                f"VectorQuantization needs vectors and codes at site '{self.site}', whose guide "
                f"distribution is {type(fn).__name__}. Try Quantized(vectors, codes) there."
            )
        return fn

    @property
    def formula(self) -> str:
        """Both distances."""
        h, e = f"h_{self.site}", f"e_{self.site}"
        return f"[−‖sg({h}) − {e}‖² − {self.commitment:g}·‖{h} − sg({e})‖²]"

    @property
    def latex(self) -> str:
        """Both distances."""
        return (
            r"\left[-\lVert\mathrm{sg}(h)-e\rVert^2-"
            rf"{self.commitment:g}\lVert h-\mathrm{{sg}}(e)\rVert^2\right]"
        )


def _moving(binding: Binding) -> list[tuple[str, MovingCodebook]]:
    """The program's codebooks that follow their vectors, by name."""
    modules = binding.program.named_modules()
    return [(name, part) for name, part in modules if isinstance(part, MovingCodebook)]


def _distance(vectors: Tensor, codes: Tensor, fn: Quantized) -> Tensor:
    """The squared distance summed over an event, averaged over data."""
    return (vectors - codes).square().flatten(len(fn.batch_shape)).sum(-1).mean()
