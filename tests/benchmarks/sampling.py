"""Draws of autoregressive programs by what their networks keep, against a pass for each element.

Networks are as they are built, for time does not depend on what was learned. Both ways start from
one seed; how many of the drawn elements are equal is said (rounding can turn one, and then all that
come after).

    python tests/benchmarks/sampling.py [--number 64]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dgmppl.distributions import Autoregressive
from dgmppl.models.made import MADE
from dgmppl.models.nade import NADE
from dgmppl.models.pixel_cnn import GatedPixelCNN, PixelCNN
from dgmppl.models.pixel_rnn import PixelRNN
from dgmppl.models.transformer import Transformer
from dgmppl.models.wavenet import WaveNet

PROGRAMS: dict[str, Callable[[], Any]] = {
    "MADE, 784 pixels": MADE,
    "NADE, 784 pixels": NADE,
    "PixelCNN, 28 × 28": PixelCNN,
    "gated PixelCNN, 28 × 28": GatedPixelCNN,
    "row LSTM, 28 × 28": PixelRNN,
    "transformer, 1,000 characters": lambda: Transformer(length=1000),
    "WaveNet, 1,000 samples": lambda: WaveNet(length=1000, layers=8),
}


def drawn(program: Any, number: int, *, naive: bool) -> tuple[Tensor, float]:
    """Draws of a program, and the seconds that they took."""
    own = Autoregressive._filled

    def without_walk(self: Autoregressive, *arguments: Any) -> Tensor:
        net = self.conditionals
        self.conditionals = lambda x: net(x)
        return own(self, *arguments)

    torch.manual_seed(0)
    began = time.perf_counter()
    try:
        Autoregressive._filled = without_walk if naive else own  # type: ignore[method-assign]
        with torch.no_grad():
            values = program.model(n=number)
    finally:
        Autoregressive._filled = own  # type: ignore[method-assign]
    return values, time.perf_counter() - began


def main() -> None:
    """Prints a row a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--number", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| {options.number} draws, one thread | s | a pass each, s | × | equal |")
    print("|---|---|---|---|---|")
    for name, build in PROGRAMS.items():
        torch.manual_seed(0)
        program = build().eval()
        kept, fast = drawn(program, options.number, naive=False)
        passed, slow = drawn(program, options.number, naive=True)
        equal = (kept == passed).float().mean()
        print(f"| {name} | {fast:.2f} | {slow:.1f} | {slow / fast:.0f} | {equal:.1%} |", flush=True)


if __name__ == "__main__":
    main()
