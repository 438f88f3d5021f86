"""The yardstick for the recipe `vae` on MNIST: the same settings in a plain PyTorch loop.

784-200-200-50, tanh, analytic KL, dynamic binarisation, batch 128, Adam 1e-3; then L_500 on the
first 1,000 test images, averaged over several binarisations of them (one alone has a standard
deviation of about 0.35 nats). Prints the wall time of learning and nats a datum.

    DGMPPL_DATA=… python tests/benchmarks/plain_vae.py [--epochs 50] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import Tensor, nn

from dgmppl.data import load
from dgmppl.models.vae import mlp


def terms(
    encoder: nn.Module, decoder: nn.Module, x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A draw, its log p(x|z), and the guide's location and log scale."""
    loc, log_scale = encoder(x).chunk(2, -1)
    z = loc + log_scale.exp() * torch.randn_like(loc)
    nll = nn.functional.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)
    return z, -nll, loc, log_scale


@torch.no_grad()
def score(encoder: nn.Module, decoder: nn.Module, images: Tensor, number: int = 500) -> float:
    """The mean of log 1/K Σ w_k."""
    total = 0.0
    for part in images.split(20):
        x = part.expand(number, *part.shape)
        z, log_likelihood, loc, log_scale = terms(encoder, decoder, x)
        normal = torch.distributions.Normal
        log_w = log_likelihood + normal(0.0, 1.0).log_prob(z).sum(-1)
        log_w = log_w - normal(loc, log_scale.exp()).log_prob(z).sum(-1)
        total += float((torch.logsumexp(log_w, 0) - math.log(number)).sum())
    return total / len(images)


def main() -> None:
    """Learns, then scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    train, test = (load("mnist", split).values for split in ("train", "test"))
    assert isinstance(train, Tensor) and isinstance(test, Tensor)
    encoder, decoder = mlp(784, 200, 100), mlp(50, 200, 784)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    began = time.perf_counter()
    for _ in range(options.epochs):
        for rows in torch.randperm(len(train)).split(128):
            x = torch.bernoulli(train[rows])
            _, log_likelihood, loc, log_scale = terms(encoder, decoder, x)
            kl = 0.5 * (loc**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)
            optimizer.zero_grad()
            (kl - log_likelihood).mean().backward()
            optimizer.step()
    seconds = time.perf_counter() - began
    values = []
    for repeat in range(options.repeats):
        torch.manual_seed(repeat)
        values.append(score(encoder, decoder, torch.bernoulli(test[:1000])))
    shown = ", ".join(f"{value:.2f}" for value in values)
    print(f"plain PyTorch: {options.epochs} epochs in {seconds:.1f} s, L_500 = {shown}")
    print(f"mean {sum(values) / len(values):.2f} nats")


if __name__ == "__main__":
    main()
