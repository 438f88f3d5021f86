"""Adversarial learning: a critic where a density is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.adversarial import Divergence, NonSaturating, TwoTraces, two_traces
from dgmppl.adversarial.two_traces import unmoved
from dgmppl.adversarial.usual_slope import UsualSlope
from dgmppl.binding import Binding, Site
from dgmppl.lowering import exchanged
from dgmppl.objectives.criticised import Criticised, Judge
from dgmppl.objectives.objective import Loss, ObjectiveError, Phase, Progress
from dgmppl.sites import Kind

__all__ = ["Adversarial"]


@dataclass(frozen=True)
class Adversarial(Criticised):
    """A critic tells data from the model's draws at named sites, and the model learns from it.

    The sites are taken twice: from the model alone (the p-trace), and from the data with the guide
    (the q-trace). `sites="x"` is a GAN, `("x", "z")` is ALI or BiGAN, `"z"` matches a guide's codes
    to the prior. Conditions that the critic is to see are `pyro.deterministic` sites.

    The program's `critic` is called with the sites' values in their order, and returns one number a
    datum `[B]`, or several `[B, …]`, each of which counts. It is a module, whose parameters are
    the role "critic"; or a method, whose arguments then are named after sites.

    The critic moves at every batch, the others at every `critic_steps`-th. No player touches
    another's parameters or running statistics. The reported value is the critic's estimate of the
    divergence; it is no measure of the draws where the critic is weak, or changes.

    Arguments:
        sites: Names of sites, or one name.
        divergence: The game.
        regularizer: What keeps the critic smooth, or `None`.
        critic_steps: Batches for each move of the others.
        packing: How many draws the critic sees at once, joined along their first event dimension.
        unrolled: How many steps the critic is thought ahead when the others move, with gradients
            through those steps.
        unrolled_rate: Their length: the root mean square of what a step moves the parameters by,
            where the critic is as steep as usual.
        critic: The program's attribute, and the role's name; it begins with "critic".

    References:
        Generative Adversarial Networks, Ian Goodfellow et al., 2014.
        https://arxiv.org/abs/1406.2661 Adversarially Learned Inference, Vincent Dumoulin et al.,
        2016. https://arxiv.org/abs/1606.00704 Unrolled Generative Adversarial Networks, Luke Metz
        et al., 2016. https://arxiv.org/abs/1611.02163 PacGAN: The Power of Two Samples in
        Generative Adversarial Networks, Zinan Lin et al., 2017. https://arxiv.org/abs/1712.04086

    Example:
        >>> print(Adversarial("x"))
        min max JS(data ‖ model) at x
    """

    divergence: Divergence = field(default_factory=NonSaturating)
    packing: int = 1
    unrolled: int = 0
    unrolled_rate: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("packing", 1)
        self._at_least("unrolled", 0)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the regulariser keeps, and how steep the critic is if it is thought ahead."""
        kept = super().state(binding, x)
        if not self.unrolled:
            return kept
        return nn.ModuleList([kept or nn.Module(), UsualSlope()])

    def traces(self, binding: Binding, x: Any, *, moving: bool) -> TwoTraces:
        """The sites as they stand beside the data, and as the model draws them."""
        return two_traces(binding, x, self.compared, moving=moving)

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The critic's move, then that of the model (and of the guide, where it draws a site)."""
        guided = any(binding.sites[n].in_guide for n in self.compared if n in binding.sites)
        others = ("model", "guide") if guided else ("model",)
        critic = self.critic_phase(binding)
        if not binding.parameters(others):
            return (critic,)  # only the ratio of densities is learned
        return critic, Phase(others, self.deceive, every=self.critic_steps)

    def _check_site(self, binding: Binding, site: Site) -> None:
        """Draws that carry a gradient, and a value beside the data."""
        name = site.name
        if site.kind is Kind.ENERGY:
            raise ObjectiveError(
                f"Adversarial needs draws of site '{name}', which belongs to an energy. Try a "
                "contrastive objective."
            )
        if not (site.observed or site.in_guide):
            raise ObjectiveError(
                f"Adversarial needs values of site '{name}' beside the data, which do not give it "
                "and which no guide draws. Try a guide, or sites without it."
            )
        if not site.local:
            raise ObjectiveError(
                f"Adversarial compares data one by one; site '{name}' has one value for all of "
                "them. Try moving it into the data plate."
            )
        if name in binding.opaque:
            raise ObjectiveError(
                f"Adversarial needs a gradient through the draws of site '{name}', and "
                f"{site.distribution} passes none to its parameters. Try "
                f"{_RELAXED.get(site.distribution, 'a relaxed distribution')} or "
                f"dgmppl.implicit('{name}', …) with a smooth value."
            )

    def deceive(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """What the draws, and the guide's values beside the data, lose."""
        traces = self.traces(binding, x, moving=True)
        with (
            unmoved(self._module(binding)),
            self.judging(binding, progress) as judge,
            self._thought_ahead(binding, judge, traces, progress),
        ):
            loss = self.divergence.draws_lose(judge(self.seen(traces.draws))).mean()
            if any(value.requires_grad for value in traces.data):
                beside = judge(self.seen(traces.data))
                loss = loss + self.divergence.data_lose(beside).mean()
        return Loss(loss, None, {"loss_model": loss.detach()})

    @contextmanager
    def _thought_ahead(
        self, binding: Binding, judge: Judge, traces: TwoTraces, progress: Progress
    ) -> Iterator[None]:
        """The critic after some steps of its own, which gradients pass through."""
        if not (self.unrolled and torch.is_grad_enabled()):
            yield
            return
        ahead: dict[str, Tensor] = dict(binding.parameters((self.critic,)))
        kept = progress.with_state(1).state
        usual = kept if isinstance(kept, UsualSlope) else UsualSlope()
        for i in range(self.unrolled):
            with exchanged(binding.program, ahead):
                gain = self._gain(judge, traces)
            slopes = torch.autograd.grad(gain, [*ahead.values()], create_graph=True)
            steps = zip(ahead.items(), usual.divide(slopes, moving=i == 0), strict=True)
            ahead = {name: value + self.unrolled_rate * step for (name, value), step in steps}
        with exchanged(binding.program, ahead):
            yield

    def seen(self, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Several draws joined, where the critic sees them so."""
        return tuple(map(partial(_pack, number=self.packing), values))

    @property
    def formula(self) -> str:
        """The game."""
        return f"min max {self.divergence.formula}(data ‖ model) at {', '.join(self.compared)}"

    @property
    def latex(self) -> str:
        """The game."""
        sites = ", ".join(self.compared)
        return (
            r"\min_\theta\max_T\;\mathrm{" + self.divergence.formula + r"}_T"
            rf"\left[q({sites})\,\Vert\,p_\theta({sites})\right]"
        )


#: What stands in for a distribution whose draws have no gradient.
_RELAXED = {
    "Bernoulli": "RelaxedBernoulliStraightThrough(temperature, logits=…)",
    "OneHotCategorical": "RelaxedOneHotCategoricalStraightThrough(temperature, logits=…)",
}


def _pack(value: Tensor, number: int) -> Tensor:
    """`[B, d, …]` → `[B / number, number·d, …]`; a rest of draws is left out."""
    if number == 1:
        return value
    rows = len(value) // number
    if not rows:
        raise ObjectiveError(
            f"Expected at least packing={number} data a batch, got {len(value)}. Try a larger "
            "batch_size."
        )
    first, *others = value.shape[1:] or (1,)
    return value[: rows * number].reshape(rows, number * first, *others)
