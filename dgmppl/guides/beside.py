"""Several guides as one: each draws latent sites of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from dgmppl.modules_of import modules_of

__all__ = ["Beside"]


class Beside(nn.Module):
    """Calls several guides in turn: q(a, b | x) = q(a | x) q(b | x).

    An amortised guide of the data's latent sites can stand beside an `AutoGuide` of the global
    ones, or beside a guide written by hand.

    Arguments:
        guides: Callables of the batch: modules, AutoGuides, functions.

    Example:
        >>> import pyro, torch
        >>> from pyro.distributions import Normal
        >>> guide = Beside(
        ...     lambda x: pyro.sample("a", Normal(x.mean(), 1.0)),
        ...     lambda x: pyro.sample("b", Normal(0.0, 1.0)),
        ... )
        >>> list(pyro.poutine.trace(guide).get_trace(torch.ones(3)).stochastic_nodes)
        ['a', 'b']
    """

    def __init__(self, *guides: Callable[..., Any]):
        super().__init__()
        self.modules_found = nn.ModuleList(modules_of(*guides))
        self._guides = guides  # in a tuple, so that a module is not registered twice

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Draws the sites of every guide."""
        for guide in self._guides:
            guide(*args, **kwargs)

    @property
    def reverse(self) -> Callable[..., None] | None:
        """The reverse models of the guides that have one, in turn; `None` where none has."""
        found = [r for guide in self._guides if (r := getattr(guide, "reverse", None)) is not None]

        def each(*args: Any, **kwargs: Any) -> None:
            for reverse in found:
                reverse(*args, **kwargs)

        return each if found else None
