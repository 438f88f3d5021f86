"""A VAE's training step: hand-written PyTorch, Pyro's SVI and dgmppl, side by side.

All three compute the same bound (784-200-200-50, tanh, analytic KL, Adam 1e-3, dynamic
binarisation) on one thread, in alternating blocks so that a busy machine touches all alike.

    python tests/benchmarks/vae_step.py [--batch 128] [--blocks 15] [--steps 40]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import pyro
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.inference.player import Player
from dgmppl.models.vae import VAE
from dgmppl.objectives import ELBO, Progress


def hand_written(images: Tensor) -> Callable[[], None]:
    """A plain loop's step."""
    program = VAE()
    optimizer = torch.optim.Adam(program.parameters(), lr=1e-3)

    def step() -> None:
        x = torch.bernoulli(images)
        loc, log_scale = program.encoder(x).chunk(2, -1)
        z = loc + log_scale.exp() * torch.randn_like(loc)
        nll = nn.functional.binary_cross_entropy_with_logits(program.decoder(z), x, reduction="sum")
        kl = 0.5 * (loc**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
        optimizer.zero_grad()
        ((nll + kl) / len(x)).backward()
        optimizer.step()

    return step


def ours(images: Tensor) -> Callable[[], None]:
    """A step of `fit`."""
    program = VAE()
    binding = bind(program, torch.bernoulli(images))
    phase = ELBO().phases(binding)[0]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    player = Player(phase, binding, lambda p: torch.optim.Adam(p, lr=1e-3), None, None, scaler)

    def step() -> None:
        loss = phase.loss(binding, torch.bernoulli(images), Progress(size=60_000))
        loss.value.item()
        player.move(loss)

    return step


def svi(images: Tensor) -> Callable[[], None]:
    """A step of Pyro's SVI, validation off."""
    program = VAE()

    def model(x: Tensor) -> None:
        pyro.module("decoder", program.decoder)
        program.model(x)

    def guide(x: Tensor) -> None:
        pyro.module("encoder", program.encoder)
        program.guide(x)

    inference = SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), TraceMeanField_ELBO())

    def step() -> None:
        with pyro.validation_enabled(False):
            inference.step(torch.bernoulli(images))

    return step


def main() -> None:
    """Prints milliseconds a step (median of block means) and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.rand(options.batch, 784)
    steps = {"hand-written": hand_written(images), "dgmppl": ours(images), "Pyro SVI": svi(images)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.blocks + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(options.steps):
                step()
            times[name].append((time.perf_counter() - began) / options.steps)
    base = None
    for name, blocks in times.items():
        median = torch.tensor(blocks[1:]).median().item() * 1e3  # the first block warms up
        base = base or median
        print(f"{name:14s} {median:6.2f} ms a step   {median / base:4.2f} × hand-written")


if __name__ == "__main__":
    main()
