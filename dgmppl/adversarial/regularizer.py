"""What keeps a critic smooth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

__all__ = ["Judge", "Regularizer"]

#: Values of the sites, in order, → the critic's values.
Judge = Callable[[tuple[Tensor, ...]], Tensor]


class Regularizer:
    """A constraint on a critic; each subclass keeps it in one of these three ways."""

    def penalty(
        self, judge: Judge, data: tuple[Tensor, ...], draws: tuple[Tensor, ...]
    ) -> Tensor | None:
        """A scalar that is added to what the critic lowers, or `None`.

        Arguments:
            judge: The critic.
            data: The sites' values beside the data, `[B, …]` each.
            draws: The sites' values as drawn.
        """
        return None

    def project(self, parameters: Sequence[nn.Parameter]) -> None:
        """Moves the critic's parameters back to where they may be; called after every step."""

    def state(self, critic: nn.Module) -> nn.Module | None:
        """A module for what is kept from step to step."""
        return None

    @contextmanager
    def around(self, critic: nn.Module, state: nn.Module | None) -> Iterator[None]:
        """Surrounds every call of the critic.

        Arguments:
            critic: The critic.
            state: What `state` made.
        """
        yield
