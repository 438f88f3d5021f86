"""The filters of a Gaussian Boltzmann machine on whitened patches of photographs, as a picture.

    python tests/benchmarks/patches.py [--seed 0] [--folder .]

A hundred squares, each on its own scale: grey is no weight.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dgmppl.models.gaussian_boltzmann import recipes


def main() -> None:
    """Learns and draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = recipes["patches-rbm"].learn(seed=options.seed, progress=False)
    filters = run.program.W.detach().T.cpu().reshape(10, 10, 12, 12)
    filters = filters / filters.abs().amax((-1, -2), keepdim=True)
    cells = torch.nn.functional.pad(filters, (1, 1, 1, 1), value=1.0)
    grid = cells.transpose(1, 2).reshape(140, 140)
    print(f"{run.seconds:.0f} s")
    _save(grid.repeat_interleave(3, 0).repeat_interleave(3, 1), options.folder)


def _save(grid: torch.Tensor, folder: Path) -> None:
    import matplotlib.pyplot as plt

    plt.imsave(folder / "boltzmann_patches.png", grid.numpy(), cmap="gray", vmin=-1, vmax=1)


if __name__ == "__main__":
    main()
