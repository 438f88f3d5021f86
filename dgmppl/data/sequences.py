"""Sequences that are drawn: sums in writing, and waveforms of three timbres."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

__all__ = ["SUMS_ALPHABET", "harmonics", "sums"]

#: The characters of `sums`, in the order of their numbers.
SUMS_ALPHABET = "0123456789+="

LENGTH = 256
#: The share of overtones 1 to 4 in each timbre.
TIMBRES = ((1.0, 0.0, 0.0, 0.0), (1.0, 0.5, 0.25, 0.125), (1.0, 0.0, 0.6, 0.0))


def sums(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Lines such as "07+35=042" of two numbers below 100: log 10,000 nats each, and no more.

    Returns:
        Numbers of characters in `SUMS_ALPHABET`, `[n, 9]`, and the sum, `[n]`.

    Example:
        >>> line = sums(1, Generator().manual_seed(0))[0][0]
        >>> "".join(SUMS_ALPHABET[c] for c in line.tolist())
        '44+39=083'
    """
    a, b = torch.randint(100, (2, n), generator=generator)
    plus, equals = torch.full((2, n), 10) + torch.arange(2)[:, None]
    total = a + b
    columns = [a // 10, a % 10, plus, b // 10, b % 10, equals]
    columns += [total // 100, total // 10 % 10, total % 10]
    return torch.stack(columns, -1), total


def harmonics(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Tones of random pitch, phase and loudness: a fundamental and overtones, with a little noise.

    Returns:
        Waveforms of 256 samples in [−1, 1], `[n, 256]`, and which of three timbres each has, `[n]`.

    Example:
        >>> waves, timbres = harmonics(100, Generator().manual_seed(0))
        >>> waves.shape, bool(waves.abs().max() <= 1), timbres.unique().tolist()
        (torch.Size([100, 256]), True, [0, 1, 2])
    """
    timbre = torch.randint(len(TIMBRES), (n,), generator=generator)
    pitch = 0.02 * 2 ** torch.rand(n, 1, generator=generator)  # cycles a sample: one octave
    phase = torch.rand(n, 1, generator=generator)
    loudness = 0.3 + 0.3 * torch.rand(n, 1, generator=generator)
    turns = pitch * torch.arange(LENGTH) + phase
    partials = [(2 * math.pi * k * turns).sin() for k in range(1, 5)]
    wave = (torch.stack(partials, -1) * torch.tensor(TIMBRES)[timbre][:, None]).sum(-1)
    noise = 0.005 * torch.randn(n, LENGTH, generator=generator)
    return (loudness * wave + noise).clamp(-1, 1), timbre
