"""NumPyro's SVI, its whole update compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from .place import ON_GPU
from .workload import Arrays, UnavailableError

__all__ = ["NumPyroStep", "need_numpyro"]


def need_numpyro(name: str) -> ModuleType:
    """Imports a module of `in_numpyro`, or raises UnavailableError."""
    try:
        return import_module(f".in_numpyro.{name}", __package__)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("jax", "jaxlib", "numpyro"):
            raise
        missing = f"{error.name} is not installed: pip install 'dgmppl[bench]'"
        raise UnavailableError(missing) from error


class NumPyroStep:
    """A step of NumPyro's SVI; the state that goes in is given to the compiled code to reuse.

    Noise follows from the seed of NumPy.

    Arguments:
        model: A function of parameters and batch.
        guide: Likewise.
        elbo: The bound.
        layout: PyTorch's parameters → those that model and guide take.
    """

    def __init__(
        self,
        model: Callable[[Any, Any], None],
        guide: Callable[[Any, Any], None],
        elbo: Any,
        layout: Callable[[Arrays], Any],
    ):
        import jax
        import numpyro

        def with_parameters(run: Callable[[Any, Any], None]) -> Callable[[Any], None]:
            return lambda x: run(numpyro.param("parameters", self.initial), x)

        self.jax, self.layout, self.key = jax, layout, jax.random.PRNGKey(np.random.randint(2**31))
        adam = numpyro.optim.Adam(1e-3)
        functions = with_parameters(model), with_parameters(guide)
        self.inference = numpyro.infer.SVI(*functions, adam, elbo)
        self.update = jax.jit(self.inference.update, donate_argnums=0)
        self.initial: Any = None
        self.state: Any = None

    def load(self, parameters: Arrays) -> None:
        """Begins anew, the noise excepted."""
        self.initial = self.jax.tree.map(self.jax.numpy.array, self.layout(parameters))
        if self.state is not None:
            moments = self.inference.optim.init({"parameters": self.initial})
            self.state = self.state._replace(optim_state=moments)

    def convert(self, batch: np.ndarray) -> Any:
        """An array of JAX."""
        return self.jax.numpy.array(batch)

    def __call__(self, x: Any) -> Any:
        """One update; on a GPU it may not have ended yet."""
        if self.state is None:
            self.state = self.inference.init(self.key, x)
        self.state, loss = self.update(self.state, x)
        if not ON_GPU:
            self.jax.block_until_ready(self.state)
        return _Bound(loss, len(x))


@dataclass(frozen=True)
class _Bound:
    """Nats a datum, once somebody asks."""

    loss: Any
    number: int

    def __float__(self) -> float:
        return -float(self.loss) / self.number
