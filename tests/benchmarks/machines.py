"""Boltzmann machines derived from an energy, beside the same ones written by hand.

A sweep of block Gibbs of 100 chains (an RBM of 784-500, a deep machine of 784-500-1000), a step of
persistent contrastive divergence (the RBM, 100 data, 100 chains, momentum) and a step of annealed
importance sampling (the RBM, 100 chains, 2,000 β), in alternating blocks on one thread; medians
over blocks, their ratio to the hand-written eager one, and how many matrix products a sweep, step
or β has. Then scikit-learn's `BernoulliRBM` and ours, on the same pictures for the same epochs.

    python tests/benchmarks/machines.py [--blocks 15] [--block 20]
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import BernoulliRBM
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import dgmppl
from dgmppl.binding import bind
from dgmppl.data import load
from dgmppl.energy import AnnealedPath, BlockGibbs, machine_of, pseudo_likelihood
from dgmppl.inference.player import Player
from dgmppl.lowering import Inductor, lower
from dgmppl.models.deep_boltzmann import DeepBoltzmann
from dgmppl.models.restricted_boltzmann import RBM
from dgmppl.objectives import PersistentContrastiveDivergence, Progress

ROWS = 100
LEARN = partial(torch.optim.SGD, lr=0.01, momentum=0.5)
PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default}

Steps = dict[str, Callable[[], Any]]


class Products(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in PRODUCTS
        return func(*args, **(kwargs or {}))


def moving(step: Callable[[Any], Any], start: Any) -> Callable[[], Any]:
    """A step that goes on from what it returned."""
    kept = [start]

    def go() -> Any:
        kept[0] = step(kept[0])

    return go


def restricted_sweep() -> Steps:
    """Of 784-500."""
    program = RBM(784, 500)
    machine, states = machine_of(program), machine_of(program).initial(ROWS)
    a, b, W = (p.detach() for p in (program.a, program.b, program.W))

    def hand(s: Mapping[str, Tensor], coins: Any = torch.bernoulli) -> dict[str, Tensor]:
        v = coins(torch.addmm(a, s["h"], W.T).sigmoid())
        return {"v": v, "h": coins(torch.addmm(b, v, W).sigmoid())}

    return sweeps(hand, partial(BlockGibbs(), machine), states, program)


def deep_sweep() -> Steps:
    """Of 784-500-1000: four products."""
    program = DeepBoltzmann(784, (500, 1000))
    machine, states = machine_of(program), machine_of(program).initial(ROWS)
    a, b, c = (p.detach() for p in program.bias)
    W, U = (p.detach() for p in program.weight)

    def hand(s: Mapping[str, Tensor], coins: Any = torch.bernoulli) -> dict[str, Tensor]:
        v = coins(torch.addmm(a, s["h1"], W.T).sigmoid())
        h2 = coins(torch.addmm(c, s["h1"], U).sigmoid())
        h1 = coins((torch.addmm(b, v, W) + h2 @ U.T).sigmoid())
        return {"v": v, "h1": h1, "h2": h2}

    return sweeps(hand, partial(BlockGibbs(), machine), states, program)


def sweeps(hand: Any, ours: Any, states: dict[str, Tensor], program: Any) -> Steps:
    """All ways to do one."""
    lowered = lower(ours, (states,), [program], Inductor())
    plain = lower(ours, (states,), [program])
    alike = lower(partial(hand, coins=compared), (states,), backend=Inductor())
    return {
        "by hand, eager": moving(hand, states),
        "by hand, torch.compile": moving(torch.compile(hand, dynamic=False), states),
        "by hand, our compiler and coins": moving(alike, states),
        "dgmppl, eager": moving(ours, states),
        "dgmppl, graph": moving(plain, states),
        "dgmppl, compiled": moving(lowered, states),
    }


def compared(p: Tensor) -> Tensor:
    """Coins as ours are, at a third of `torch.bernoulli`'s time."""
    return (torch.rand_like(p) < p).to(p)


class PersistentByHand:
    """Persistent contrastive divergence without autograd."""

    def __init__(self, program: RBM, compile: bool = False):
        self.a, self.b, self.W = (p.detach().clone() for p in (program.a, program.b, program.W))
        self.v = torch.bernoulli(torch.full((ROWS, 784), 0.5))
        for value in (self.a, self.b, self.W):
            value.grad = torch.zeros_like(value)
        self.optimizer = LEARN([self.a, self.b, self.W])
        self.gradients = torch.compile(self._gradients, dynamic=False) if compile else None

    def _gradients(
        self, x: Tensor, v: Tensor, a: Tensor, b: Tensor, W: Tensor
    ) -> tuple[Tensor, ...]:
        h = torch.bernoulli(torch.addmm(b, v, W).sigmoid())
        v = torch.bernoulli(torch.addmm(a, h, W.T).sigmoid())
        up, free = torch.addmm(b, x, W).sigmoid(), torch.addmm(b, v, W).sigmoid()
        slope = (v.T @ free).sub_(x.T @ up).div_(ROWS)
        return v, v.mean(0) - x.mean(0), free.mean(0) - up.mean(0), slope

    @torch.no_grad()
    def __call__(self, x: Tensor) -> None:
        """One step."""
        gradients = self.gradients or self._gradients
        self.v, a, b, W = gradients(x, self.v, self.a, self.b, self.W)
        self.a.grad, self.b.grad, self.W.grad = a, b, W
        self.optimizer.step()


def persistent_step() -> Steps:
    """784-500; ours also reports the pseudo-likelihood of a quarter of the batch."""
    x = torch.bernoulli(torch.full((ROWS, 784), 0.3))
    program = RBM(784, 500)

    def ours(compiled: bool) -> Callable[[], Any]:
        binding = bind(program, x)
        objective = PersistentContrastiveDivergence(num_chains=ROWS)
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        state = objective.state(binding, x)
        phase = objective.phases(binding)[0]
        player = Player(phase, binding, LEARN, None, None, scaler, state=state)
        if compiled:
            player.compile([Inductor()], strict=True, say=print)
        progress = Progress(size=60_000, state=state)

        def step() -> None:
            player.move(player.estimate(x, progress))

        return step

    return {
        "by hand, eager": partial(PersistentByHand(program), x),
        "by hand, torch.compile": partial(PersistentByHand(program, compile=True), x),
        "dgmppl, eager": ours(False),
        "dgmppl, compiled": ours(True),
    }


def annealing(number: int) -> Steps:
    """100 chains of 784-500 through some β, the hidden units summed out; recording included."""
    program, betas = RBM(784, 500), torch.linspace(0, 1, number + 1).tolist()
    x = torch.bernoulli(torch.full((1000, 784), 0.3))
    path = AnnealedPath.of(machine_of(program, x), {"v": x})
    base, start = path.base["v"].linear[0], path.start["v"]
    a, b, W = (p.detach() for p in (program.a, program.b, program.W))

    def log_p(v: Tensor, up: Tensor, beta: float) -> Tensor:
        own = (1 - beta) * (v @ base) + beta * (v @ a)
        return own + torch.nn.functional.softplus(beta * up).sum(-1)

    @torch.no_grad()
    def hand() -> float:
        v = torch.bernoulli(base.sigmoid().expand(ROWS, 784))
        log_w = start.new_zeros(ROWS)
        for low, high in itertools.pairwise(betas):
            up = torch.addmm(b, v, W)
            log_w += log_p(v, up, high) - log_p(v, up, low)
            h = torch.bernoulli((high * up).sigmoid())
            down = (1 - high) * base + high * torch.addmm(a, h, W.T)
            v = torch.bernoulli(down.sigmoid())
        return float(log_w.logsumexp(0))

    return {
        "by hand, eager": hand,
        "dgmppl, eager": lambda: path.forward(betas, ROWS, compile=False),
        "dgmppl": lambda: path.forward(betas, ROWS),
    }


def measure(about: str, steps: Steps, blocks: int, block: int, parts: int = 1) -> None:
    """Prints a table."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(blocks + 1):  # the first warms up
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(block):
                step()
            times[name].append((time.perf_counter() - began) / block / parts * 1e3)
    base = np.array(times["by hand, eager"][1:])
    print(f"\n| {about} | ms | ratio | products |\n|---|---|---|---|")
    for name, step in steps.items():
        own = np.array(times[name][1:])
        with Products() as products:
            step()
        count = "–" if "compile" in name else f"{products.count / parts:.3g}"
        print(f"| {name} | {np.median(own):.2f} | {np.median(own / base):.2f} × | {count} |")


def beside_scikit_learn(epochs: int, number: int = 10_000) -> None:
    """500 hidden units, batches of 100, a rate of 0.01: persistent chains in both."""
    x = load("mnist", split="train").draw()[:number].round()
    test = load("mnist", split="test").draw()[:2000].round()
    settings = {"learning_rate": 0.01, "batch_size": 100, "n_iter": epochs, "random_state": 0}
    theirs = BernoulliRBM(500, **settings)
    began = time.perf_counter()
    theirs.fit(x.numpy())
    seconds = time.perf_counter() - began
    program = RBM(784, 500)
    machine = machine_of(program, x[:1])

    def score() -> float:
        torch.manual_seed(0)  # which pixel is flipped is drawn
        values = [pseudo_likelihood(machine, {"v": test}, None) for _ in range(10)]
        return float(torch.stack(values).mean())

    print(f"\n| {number:,} of MNIST, {epochs} epochs | s | held-out pseudo-likelihood, nats |")
    print("|---|---|---|")
    with torch.no_grad():
        program.a.copy_(torch.from_numpy(theirs.intercept_visible_))
        program.b.copy_(torch.from_numpy(theirs.intercept_hidden_))
        program.W.copy_(torch.from_numpy(theirs.components_.T))
        print(f"| BernoulliRBM | {seconds:.1f} | {score():.1f} |")
    shown: dict[str, Any] = {"device": "cpu", "progress": False}
    optimizer = partial(torch.optim.SGD, lr=0.01)
    for compile in ("auto", True):
        torch.manual_seed(0)
        program = RBM(784, 500)
        machine = machine_of(program, x[:1])
        began = time.perf_counter()
        dgmppl.fit(
            program,
            x,
            PersistentContrastiveDivergence(),
            epochs=epochs,
            batch_size=100,
            optimizer=optimizer,
            compile=compile,
            **shown,
        )
        seconds = time.perf_counter() - began
        print(f"| dgmppl, compile={compile}, building included | {seconds:.1f} | {score():.1f} |")


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = options.blocks, options.block
    with torch.no_grad():
        measure("Gibbs sweep, 784-500", restricted_sweep(), *sizes)
        measure("Gibbs sweep, 784-500-1000", deep_sweep(), *sizes)
    measure("PCD step, 784-500", persistent_step(), *sizes)
    measure("annealing, a β of 2,000", annealing(2000), 3, 1, parts=2000)
    beside_scikit_learn(options.epochs)


if __name__ == "__main__":
    main()
