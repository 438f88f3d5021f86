"""How close each family of guides comes to a posterior of two moons, where the truth is known.

A point z in the plane was seen twice: its distance from the origin, 2 ± 0.4, and its first
coordinate without its sign, 2 ± 0.6. With p(z) = N(0, 2²I) the posterior is a moon on either side
(Rezende and Mohamed's energy U₁ under a wide prior), and log p(x) is known by quadrature. Each
guide is learned by `dgmppl.fit`, with the likelihood annealed from 0.01 to 1 over the first half of
learning: at once, every flow finds one moon and is left with a gap of log 2. The mean-field guide
can hold only one, and annealing would leave it between them. The table shows log p(x) − ELBO in
nats: the mean over seeds and its standard error, that of the draws where there is one seed.

    python tests/benchmarks/two_moons.py [--seed 0 1 2] [--steps 3000] [--picture PATH]

References:
    Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015.
    https://arxiv.org/abs/1505.05770
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyro
import torch
from matplotlib.axes import Axes
from pyro import poutine
from pyro.distributions import Categorical, MixtureSameFamily, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import (
    Amortized,
    Coupling,
    Diagonal,
    Family,
    InverseAutoregressive,
    Mixture,
    Planar,
    Spline,
    Sylvester,
    Triangular,
)
from dgmppl.objectives import ELBO
from dgmppl.pictures.style import caption, sheet
from dgmppl.schedules import Linear

SEEN = torch.tensor([[2.0, 2.0]])
DRAWS, STEPS_AN_EPOCH = 256, 50
FAMILIES: dict[str, Family] = {
    "mean field": Diagonal(),
    "planar, 16 maps": Planar(16),
    "Sylvester, 16 maps": Sylvester(16, Triangular()),
    "autoregressive, 8 maps": InverseAutoregressive(8, hidden_features=64),
    "coupling, 8 maps": Coupling(8, hidden_features=64),
    "splines by coordinate": Spline(),
    "mixture of 8 Gaussians": Mixture(8),
}


class TwoMoons(dgmppl.Program):
    """z ~ N(0, 2²I), its distance from the origin and, but for the sign, its first coordinate."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(distance|z) p(side|z), x of shape `[B, 2]`."""
        distance, side = (None, None) if x is None else x.unbind(-1)
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 2.0).to_event(1))
            far = pyro.sample("distance", Normal(z.norm(dim=-1), 0.4), obs=distance)
            sides = Normal(z[..., :1] * torch.tensor([1.0, -1.0]), 0.6)
            fair = Categorical(torch.ones(2))
            return torch.stack(
                [far, pyro.sample("side", MixtureSameFamily(fair, sides), obs=side)], -1
            )


@dataclass(frozen=True)
class Learned:
    """A guide after learning.

    Arguments:
        program: The model with it.
        gap: log p(x) − ELBO, nats.
        error: The standard error of that.
    """

    program: dgmppl.Program
    gap: float
    error: float


def square(reach: float, step: float) -> Tensor:
    """Points on a grid around the origin, `[n, n, 2]`."""
    axis = torch.arange(-reach, reach + step / 2, step)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)


@torch.no_grad()
def log_density(program: nn.Module, side: str, z: Tensor) -> Tensor:
    """Log p(x, z) of a program's "model" or log q(z|x) of its "guide", `[*batch, 2]` → `[*batch]`.

    A guide scores here what it did not draw.
    """
    rows = z.reshape(-1, 2)
    fixed = poutine.condition(getattr(program, side), data={"z": rows})
    trace = poutine.trace(fixed).get_trace(SEEN.expand(len(rows), 2))
    trace.compute_log_prob()
    sites = [trace.nodes[name] for name in ("z", "distance", "side") if name in trace.nodes]
    return torch.stack([site["log_prob"] for site in sites]).sum(0).view(z.shape[:-1])


def log_evidence(step: float = 0.02) -> Tensor:
    """Log p(x) by quadrature."""
    values = log_density(TwoMoons(), "model", square(10.0, step))
    return values.double().flatten().logsumexp(0) + 2 * torch.tensor(step).double().log()


def learn(family: Family, steps: int, seed: int) -> Learned:
    """A guide of some family for what was seen, a data set of one observation many times over."""
    torch.manual_seed(seed)
    model, epochs = TwoMoons(), steps // STEPS_AN_EPOCH
    power = 1.0 if isinstance(family, Diagonal) else Linear(0.01, 1.0, epochs=epochs / 2)
    program = dgmppl.fit(
        model,
        SEEN.repeat(DRAWS * STEPS_AN_EPOCH, 1),
        objective=ELBO(temper={"distance": power, "side": power}),
        guide=Amortized(model, nn.Identity(), SEEN, family=family),
        optimizer=partial(torch.optim.Adam, lr=5e-3),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs),
        epochs=epochs,
        batch_size=DRAWS,
        device="cpu",
        seed=seed,
        progress=False,
    ).program
    with torch.no_grad():
        ratio = dgmppl.weights(program, SEEN, num_particles=100_000).ratio()[0]
    assert isinstance(ratio, Tensor)
    error = float(ratio.std() / len(ratio) ** 0.5)
    return Learned(program, float(log_evidence() - ratio.mean()), error)


def row(name: str, runs: list[Learned]) -> str:
    """A line of the table."""
    gaps = torch.tensor([run.gap for run in runs])
    error = float(gaps.std() / len(gaps) ** 0.5) if len(gaps) > 1 else runs[0].error
    return f"{name:24s}{gaps.mean():8.4f} ± {error:.4f}"


def picture(learned: dict[str, Learned], path: Path) -> None:
    """The exact posterior and every guide's density, side by side."""
    figure = sheet(10.0, 5.4, "A posterior of two moons, and the guides that were learned for it")
    panels = figure.subplots(2, (len(learned) + 2) // 2).flatten()
    z = square(4.0, 0.04)
    exact = log_density(TwoMoons(), "model", z) - log_evidence()
    show(panels[0], exact, "the exact posterior")
    for axes, (name, run) in zip(panels[1:], learned.items(), strict=False):
        density = log_density(run.program, "guide", z)
        show(axes, density, f"{name}: {run.gap:.3f} ± {run.error:.3f} nats")
    for axes in panels[1 + len(learned) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=90)


def show(axes: Axes, log_density: Tensor, note: str) -> None:
    """A density as an image."""
    axes.imshow(log_density.exp(), extent=(-4, 4, -4, 4), origin="lower", cmap="Blues", vmin=0.0)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    caption(axes, note)


def main() -> None:
    """Learns every guide, prints the table, draws the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    print(f"log p(x) = {log_evidence():.4f} nats; log p(x) − ELBO, seeds {options.seed}:")
    first = {}
    for name, family in FAMILIES.items():
        runs = [learn(family, options.steps, seed) for seed in options.seed]
        print(row(name, runs), flush=True)
        first[name] = runs[0]
    if options.picture:
        picture(first, options.picture)


if __name__ == "__main__":
    main()
