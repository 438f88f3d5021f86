"""min_x max_y x·y, written as a program: what steps of two players do is known exactly."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import Wasserstein, WeightClipping
from dgmppl.binding import bind
from dgmppl.inference.player import Player
from dgmppl.objectives import Adversarial, Progress

RATE, STEPS = 0.1, 200
DATA = torch.zeros(1, 1, dtype=torch.float64)


class Game(dgmppl.Program):
    """Every draw is x, every datum 0, and the critic says −y·value."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(0.6, dtype=torch.float64))
        self.y = nn.Parameter(torch.tensor(0.8, dtype=torch.float64))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            return dgmppl.implicit("x", self.x.expand(n, 1), obs=x)

    def critic(self, x: Tensor) -> Tensor:
        return -self.y * x.squeeze(-1)


#: Its critic gains E_data[T] − E_draws[T] = x·y, which the draws lower.
GAME = Adversarial("x", Wasserstein(), WeightClipping(1e6))
SGD = partial(torch.optim.SGD, lr=RATE)


def test_simultaneous_steps_circle_outwards_at_the_known_rate() -> None:
    """Each step turns (x, y) by arctan η and stretches it by (1 + η²)^½."""
    game = Game()
    binding = bind(game, DATA)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    phases = GAME.phases(binding)
    players = [Player(phase, binding, SGD, None, None, scaler) for phase in phases]
    path = [complex(game.x.item(), game.y.item())]
    for _ in range(STEPS):
        estimates = [player.estimate(DATA, Progress()) for player in players]
        for player, estimate in zip(players, estimates, strict=True):
            player.move(estimate)
        path.append(complex(game.x.item(), game.y.item()))
    exact = [path[0] * (1 + 1j * RATE) ** n for n in range(STEPS + 1)]
    assert max(abs(a - b) for a, b in zip(path, exact, strict=True)) < 1e-9
    assert abs(path[-1]) / abs(path[0]) > 2.5


def test_alternating_steps_stay_on_an_ellipse() -> None:
    """The critic first: x² + y² + η x y is what every step leaves as it is."""
    kept, radii = [], []

    def look(run: dgmppl.inference.Run) -> None:
        game = run.program
        x, y = game.x.item(), game.y.item()
        kept.append(x * x + y * y + RATE * x * y)
        radii.append((x * x + y * y) ** 0.5)

    dgmppl.fit(
        Game(),
        DATA,
        GAME,
        optimizer=SGD,
        epochs=STEPS,
        batch_size=None,
        callbacks=[look],
        progress=False,
    )
    assert max(kept) - min(kept) < 1e-9
    assert min(radii) > 0.9
    assert max(radii) < 1.1
