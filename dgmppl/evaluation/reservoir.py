"""Sampling-importance-resampling from a stream of weighted draws, in memory for a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Site
from dgmppl.weights import Weights

__all__ = ["Reservoir"]

Read = Callable[[dict[str, Any]], Tensor]


class Reservoir:
    """Keeps some draws of the latents a datum, and weighted means, of all that it has been shown.

    Each place holds a draw with the probability of its share of the weights so far: a new one takes
    the place with the probability of its own share. So the places are independent draws from the
    self-normalised weights, however many draws go by.

    Arguments:
        number: How many draws to keep, M.

    References:
        A General Purpose Unequal Probability Sampling Plan, Min-Te Chao, 1982.
        https://doi.org/10.1093/biomet/69.3.653
    """

    def __init__(self, number: int):
        self.number = number
        self.draws: dict[str, Tensor] = {}  # site → [M, …, B, …]
        self.means: dict[str, Tensor] = {}  # site → […, B, …]
        self.total = self.squares = torch.tensor(-torch.inf)  # log Σ w and log Σ w², [B]

    @property
    def effective_sample_size(self) -> Tensor:
        """(Σ w)² / Σ w² a datum, `[B]`."""
        return (2 * self.total - self.squares).exp()

    def add(self, w: Weights) -> None:
        """Takes a chunk of weighted draws into account."""
        local, shared = w.ratio()
        log_w = torch.as_tensor(local + shared)
        chunk = torch.logsumexp(log_w, 0)
        self.total = torch.logaddexp(self.total.to(chunk), chunk)
        self.squares = torch.logaddexp(self.squares.to(chunk), torch.logsumexp(2 * log_w, 0))
        share = (chunk - self.total).exp()
        weight = torch.softmax(log_w, 0)
        rows = torch.multinomial(weight.T, self.number, replacement=True).T
        taken = torch.rand(rows.shape, device=rows.device) < share
        for site in w.binding.latents:
            values = _stacked(w, site, lambda node: node["value"])
            new = values.take_along_dim(_along(w, site, rows, values), 0)
            old = self.draws.get(site.name, new)
            self.draws[site.name] = torch.where(_along(w, site, taken, values), new, old)
        for site in _with_means(w):
            values = _stacked(w, site, _mean)
            mean = (_along(w, site, weight, values) * values).sum(0)
            old = self.means.get(site.name, mean)
            self.means[site.name] = old + _along(w, site, share[None], values)[0] * (mean - old)


def _stacked(w: Weights, site: Site, read: Read) -> Tensor:
    """Something of a site in all draws, the draws first: `[K, …, B, …]`."""
    dims = len(site.event_shape) - w.binding.particle_dim
    tables = [read(run.model[site.name]) for run in w.runs]
    return torch.cat([t.reshape((1,) * (dims - t.dim()) + t.shape) for t in tables])


def _along(w: Weights, site: Site, table: Tensor, values: Tensor) -> Tensor:
    """A table `[·, B]` in the form of a site's values `[K, …, B, …]`."""
    shape = [1] * values.dim()
    shape[0], shape[w.binding.data_dim - len(site.event_shape)] = table.shape
    return table.reshape(shape)


def _mean(node: dict[str, Any]) -> Tensor:
    fn = node["fn"]
    return fn.mean.expand(fn.batch_shape + fn.event_shape)


def _with_means(w: Weights) -> list[Site]:
    """The incomplete sites whose likelihood has a mean."""
    found = []
    for site in w.binding.observed:
        node = w.runs[0].model[site.name]
        try:
            if "given" in node["infer"] and not bool(_mean(node).isnan().any()):
                found.append(site)
        except NotImplementedError:
            continue
    return found
