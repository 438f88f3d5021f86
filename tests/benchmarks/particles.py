"""Time and memory of an IWAE step against the number of particles, beside a hand-written loop.

A VAE of 784-200-200-50 on 20 data, K = 1 … 512: `fit`'s step and a plain PyTorch step that computes
the same bound, in alternating blocks on one thread. Lines are fitted through the times; what counts
is the ratio of their slopes. Memory is what autograd keeps for the backward pass.

    python tests/benchmarks/particles.py [--blocks 5] [--chunk 64]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.inference.player import Player
from dgmppl.models.vae import VAE
from dgmppl.objectives import IWAE, Progress

PARTICLES = (1, 8, 32, 64, 128, 256, 512)
BATCH = 20


def hand_written(x: Tensor, number: int) -> Callable[[], float]:
    """A plain step; returns its loss, not yet differentiated, when called."""
    program = VAE()
    optimizer = torch.optim.Adam(program.parameters(), lr=1e-3, fused=True)

    def loss() -> Tensor:
        loc, log_scale = program.encoder(x).chunk(2, -1)
        noise = torch.randn(number, *loc.shape)
        z = loc + log_scale.exp() * noise
        logits = program.decoder(z)
        log_p = -nn.functional.binary_cross_entropy_with_logits(
            logits, x.expand_as(logits), reduction="none"
        ).sum(-1)
        log_w = log_p - 0.5 * (z**2).sum(-1) + (0.5 * noise**2 + log_scale).sum(-1)
        return -(torch.logsumexp(log_w, 0) - math.log(number)).mean()

    def step() -> float:
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.item()

    step.loss = loss  # type: ignore[attr-defined]
    return step


def ours(x: Tensor, number: int, chunk: int | None) -> Callable[[], float]:
    """A step of `fit`."""
    program = VAE()
    binding = bind(program, x)
    phase = IWAE(num_particles=number, chunk_size=chunk).phases(binding)[0]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    player = Player(phase, binding, lambda p: torch.optim.Adam(p, lr=1e-3), None, None, scaler)

    def step() -> float:
        estimate = player.estimate(x, Progress(size=60_000))
        player.move(estimate)
        return float(estimate.numbers[0])

    step.loss = lambda: phase.loss(binding, x, Progress(size=60_000)).surrogate  # type: ignore[attr-defined]
    return step


def kept(step: Callable[[], float]) -> float:
    """MiB that autograd keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        held = step.loss()  # type: ignore[attr-defined]
    del held
    return sum(sizes.values()) / 2**20


def main() -> None:
    """Prints the table and the slopes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.bernoulli(torch.full((BATCH, 784), 0.3))
    names = ("hand-written", "dgmppl", f"dgmppl, chunks of {options.chunk}")
    times: dict[str, list[float]] = {name: [] for name in names}
    print("| K | " + " | ".join(f"{name}, ms | MiB" for name in names) + " |")
    print("|---" * (1 + 2 * len(names)) + "|")
    for number in PARTICLES:
        makers = (
            lambda n=number: hand_written(x, n),
            lambda n=number: ours(x, n, None),
            lambda n=number: ours(x, n, options.chunk),
        )
        steps = [make() for make in makers]
        repeats = max(2, 512 // number // 4)
        blocks: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.blocks + 1):
            for name, step in zip(names, steps, strict=True):
                began = time.perf_counter()
                for _ in range(repeats):
                    step()
                blocks[name].append((time.perf_counter() - began) / repeats * 1e3)
        row = []
        for name, step in zip(names, steps, strict=True):
            times[name].append(float(np.median(blocks[name][1:])))
            row.append(f"{times[name][-1]:.2f} | {kept(step):.1f}")
        print(f"| {number} | " + " | ".join(row) + " |", flush=True)
    slopes = {name: np.polyfit(PARTICLES, times[name], 1)[0] for name in names}
    base = slopes["hand-written"]
    for name, slope in slopes.items():
        print(f"{name}: {slope:.3f} ms a particle, {slope / base:.2f} × hand-written")


if __name__ == "__main__":
    main()
