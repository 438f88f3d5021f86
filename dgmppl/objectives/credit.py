"""What each draw of the guide is rewarded with: only terms that the draw can have changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.draw import Draw
from dgmppl.weights import Weights

__all__ = ["Credit", "credits_of_average"]


@dataclass(frozen=True)
class Credit:
    """A guide site's scores and rewards.

    Arguments:
        name: The site.
        score: log q of its draws, `[K, *plates]`, with gradients.
        reward: In nats of a datum (of all data, where the site is global), without gradients;
            broadcasts with the scores.
        unit: What a nat of reward counts, so that the sum of scores times rewards is a datum's.
        data_dim: The data's dimension in the scores, negative; `None` for a global site.
    """

    name: str
    score: Tensor
    reward: Tensor
    unit: float
    data_dim: int | None

    @property
    def table(self) -> Tensor:
        """The mean rewards, `[K, B]`, or `[K, 1]` for a global site."""
        reward = self.reward.expand(torch.broadcast_shapes(self.reward.shape, self.score.shape))
        last = reward[..., None] if self.data_dim is None else reward.movedim(self.data_dim, -1)
        return last.flatten(1, -2).mean(1) if last.dim() > 2 else last

    def advantage(self, expected: Tensor | float) -> Tensor:
        """Scores times what exceeds the expected reward: of value zero, with their gradient.

        Arguments:
            expected: A number, `[B]`, or a table like the rewards'.
        """
        if isinstance(expected, Tensor) and expected.dim():
            expected = expected.reshape(-1, expected.shape[-1])
            shape = [1] * self.score.dim()
            shape[0] = len(expected)
            if self.data_dim is not None:
                shape[self.data_dim] = expected.shape[1]
            expected = expected.reshape(shape)
        total = self.unit * ((self.reward - expected) * self.score).sum()
        return total - total.detach()


@dataclass(frozen=True)
class _Term:
    """One term of log p − log q, in the shape of its independent draws, and what it looks at."""

    name: str
    value: Tensor
    sees: frozenset[str]


def credits_of_average(
    w: Weights, names: Collection[str], closed: Collection[str]
) -> Iterator[Credit]:
    """The credits of a bound that averages log p − log q over particles.

    A draw is rewarded with the terms that are a function of it or of draws that follow from it, in
    its own slice of every plate.

    Arguments:
        w: The tables, each term counting with its site's power.
        names: The guide's scored sites.
        closed: Sites whose KL is taken in closed form.
    """
    runs = [list(_terms(w, run, closed)) for run in w.runs]
    for name in names:
        local = w.is_local(name)
        scale = w.batch if local else 1  # to nats of a datum
        parts = [_reward(w, run, name, terms) for run, terms in zip(w.runs, runs, strict=True)]
        score, reward = (torch.cat(each) for each in zip(*parts, strict=True))
        dim = w.binding.data_dim if local else None
        yield Credit(name, score, reward * scale, 1 / (scale * len(score)), dim)


def _terms(w: Weights, run: Draw, closed: Collection[str]) -> Iterator[_Term]:
    every = frozenset(site.name for site in run.binding.draws)
    known = run.binding.dependencies
    for name in dict.fromkeys((*run.model, *run.guide)):
        power = w.powers.get(name, 1.0)
        by_model, by_guide = known.model.get(name, every), known.guide.get(name, every)
        if name in closed:
            kl = run.divergence(name)
            assert kl is not None
            value = run.scaled(run.model[name], -power * kl)
            yield _Term(name, value, (by_model | by_guide) - {name})  # averaged over its own draw
            continue
        for sites, sign, sees in ((run.model, power, by_model), (run.scored, -power, by_guide)):
            if name in sites and (sites is run.model or not sites[name]["is_observed"]):
                value = run.scaled(sites[name], sign * run.density(sites[name]))
                yield _Term(name, value, sees)


def _reward(w: Weights, run: Draw, name: str, terms: list[_Term]) -> tuple[Tensor, Tensor]:
    """One run's scores and rewards in nats a datum, particles first."""
    site: dict[str, Any] = run.guide[name]
    moved = run.binding.dependencies.moved_by(name)
    score = run.density(site)
    kept = {frame.dim for frame in site["cond_indep_stack"]}
    reward = score.new_zeros(())
    for term in terms:
        if term.sees & moved:
            other = [d for d in range(-term.value.dim(), 0) if d not in kept]
            value = term.value.detach()
            value = value.sum(other, keepdim=True) if other else value
            reward = reward + value / (w.batch if w.is_local(term.name) else w.size)
    plates = -run.binding.particle_dim - 1
    return _particles_first(score, plates), _particles_first(reward, plates)


def _particles_first(value: Tensor, plates: int) -> Tensor:
    """`[K, *plates]` from a batch-shaped tensor, of which small ones lack the particles."""
    return value.reshape(-1, *(1,) * (plates - value.dim()), *value.shape[-plates:])
