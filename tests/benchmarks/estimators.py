"""Bias and variance of gradient estimators on a sigmoid belief net of twelve units.

Every estimator is compared with the gradient by the sum over all 128 configurations of the net's
three hidden layers. "Off" is the largest distance of the mean from it, in standard errors (of 69
parameters: below about 4 for an unbiased estimator), "relative bias" the distance in length;
"variance" is that of the guide's gradient by one draw of the data, in all.

    python tests/benchmarks/estimators.py [--draws 20000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

from sigmoid_belief_net import SigmoidBeliefNet, data
from statistics_of import exact_gradient, gradients, mean_and_error

from dgmppl.binding import bind
from dgmppl.objectives import (
    ELBO,
    IWAE,
    VIMCO,
    Bound,
    Concrete,
    InputDependent,
    LeaveOneOut,
    MovingAverage,
    Progress,
    ScoreFunction,
    StraightThrough,
)

ROUNDS = 100
GUIDE = slice(-32, None)  # the guide's parameters come last

ROWS: dict[str, Bound] = {
    "ELBO, plain": ELBO(gradient=ScoreFunction()),
    "ELBO, moving average": ELBO(gradient=ScoreFunction(baseline=MovingAverage())),
    "ELBO, NVIL": ELBO(gradient=ScoreFunction(baseline=InputDependent())),
    "ELBO, K = 2, plain": ELBO(num_particles=2, gradient=ScoreFunction()),
    "ELBO, K = 2, leave one out": ELBO(
        num_particles=2, gradient=ScoreFunction(baseline=LeaveOneOut())
    ),
    "ELBO, concrete, T = 0.5": ELBO(gradient=Concrete()),
    "ELBO, straight through": ELBO(gradient=StraightThrough()),
    "IWAE, K = 2, plain": IWAE(num_particles=2, gradient=ScoreFunction()),
    "IWAE, K = 2, NVIL": IWAE(num_particles=2, gradient=ScoreFunction(baseline=InputDependent())),
    "IWAE, K = 2, VIMCO": IWAE(num_particles=2, gradient=VIMCO()),
}


def drawn(objective: Bound, draws: int, seed: int) -> Tensor:
    """Gradients of `draws` draws a datum in all, after the baseline has learned; `[rounds, P]`."""
    torch.manual_seed(seed)
    program, x = SigmoidBeliefNet(), data().repeat(-(-draws // ROUNDS), 1)
    binding = bind(program, x)
    progress = Progress(state=objective.state(binding, x))
    if progress.state is not None and list(progress.state.parameters()):
        optimizer = torch.optim.Adam(progress.state.parameters(), lr=0.01)
        loss = objective.phases(binding)[0].loss
        for _ in range(300):
            optimizer.zero_grad()
            loss(binding, x[:30], progress).surrogate.backward()
            optimizer.step()
    return gradients(objective, binding, x, ROUNDS, progress)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    program, x = SigmoidBeliefNet(), data()
    truths = {
        ELBO: exact_gradient(program.elbo(x).mean(), program),
        IWAE: exact_gradient(program.importance_bound(x).mean(), program),
    }
    print("| estimator | off, s.e. | relative bias | variance |\n|---|---|---|---|")
    for name, objective in ROWS.items():
        found, truth = drawn(objective, options.draws, options.seed), truths[type(objective)]
        mean, error = mean_and_error(found)
        off = ((mean - truth).abs() / (error + 1e-12))[(mean - truth).abs() > 1e-9].max()
        bias = (mean - truth).norm() / truth.norm()
        variance = found[:, GUIDE].var(0).sum() * (options.draws / ROUNDS)
        print(f"| {name} | {off:.1f} | {bias:.3f} | {variance:.2f} |", flush=True)


if __name__ == "__main__":
    main()
