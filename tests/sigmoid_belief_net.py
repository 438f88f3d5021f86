"""A sigmoid belief net of three layers and few units, whose every expectation is a sum."""

from __future__ import annotations

import itertools

import pyro
import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import dgmppl

__all__ = ["SigmoidBeliefNet", "data"]

WIDTHS = (5, 3, 2, 2)  # x, h1, h2, h3: twelve units


def data(number: int = 3, seed: int = 3) -> Tensor:
    """Binary data, `[number, 5]`, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (number, WIDTHS[0]), generator=generator).double()


class SigmoidBeliefNet(dgmppl.Program):
    """p(h3) p(h2|h3) p(h1|h2) p(x|h1) and q(h1|x) q(h2|h1) q(h3|h2), all units Bernoulli."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def layer(inputs: int, outputs: int) -> nn.Linear:
            net = nn.Linear(inputs, outputs, dtype=torch.float64)
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
            return net

        pairs = list(itertools.pairwise(WIDTHS))
        self.top = nn.Parameter(torch.randn(WIDTHS[-1], generator=generator, dtype=torch.float64))
        self.down = nn.ModuleList(layer(above, below) for below, above in pairs)
        self.up = nn.ModuleList(layer(below, above) for below, above in pairs)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        logits = self.top
        with dgmppl.data_plate(x, n):
            for i in (2, 1, 0):
                h = pyro.sample(f"h{i + 1}", Bernoulli(logits=logits).to_event(1))
                logits = self.down[i](h)
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        h = x
        with dgmppl.data_plate(x):
            for i, up in enumerate(self.up):
                h = pyro.sample(f"h{i + 1}", Bernoulli(logits=up(h)).to_event(1))

    def tables(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x, h) and log q(h|x) of every configuration, `[C, B]`."""
        every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=sum(WIDTHS[1:])))).double()
        layers = [part[:, None] for part in every.split(WIDTHS[1:], 1)]
        log_p, above = every.new_zeros(1, 1), self.top
        for i in (2, 1, 0):
            log_p = log_p + Bernoulli(logits=above).log_prob(layers[i]).sum(-1)
            above = self.down[i](layers[i])
        log_p = log_p + Bernoulli(logits=above).log_prob(x).sum(-1)
        log_q, below = every.new_zeros(1, 1), x
        for up, h in zip(self.up, layers, strict=True):
            log_q = log_q + Bernoulli(logits=up(below)).log_prob(h).sum(-1)
            below = h
        return log_p, log_q

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), `[B]`."""
        return self.tables(x)[0].logsumexp(0)

    def elbo(self, x: Tensor) -> Tensor:
        """The exact evidence lower bound, `[B]`."""
        log_p, log_q = self.tables(x)
        return (log_q.exp() * (log_p - log_q)).sum(0)

    def importance_bound(self, x: Tensor) -> Tensor:
        """The exact importance-weighted bound of two particles, `[B]`."""
        log_p, log_q = self.tables(x)
        log_w = log_p - log_q
        pairs = torch.logaddexp(log_w[:, None], log_w[None]) - torch.tensor(2.0).double().log()
        return ((log_q[:, None] + log_q[None]).exp() * pairs).sum((0, 1))
