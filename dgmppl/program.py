"""Programs: a model and a guide over named sites, as one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from pyro import poutine
from pyro.infer.autoguide import AutoGuide
from pyro.poutine.util import site_is_subsample
from torch import nn

from dgmppl.handlers import OwnParameters
from dgmppl.modules_of import modules_of
from dgmppl.traces import sample_sites, trace

__all__ = ["Pair", "Program", "guide_of", "with_guide", "without_guide"]


class Program(nn.Module):
    """A deep generative model written as a probabilistic program.

    Subclasses write plain Pyro in `model` and, for latent variables, in `guide`. Any `nn.Module`
    with these methods serves as a program; this class only adds `with_guide`.

    Example:
        >>> import pyro, torch, dgmppl
        >>> from pyro.distributions import Normal
        >>> class Line(dgmppl.Program):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.loc = torch.nn.Parameter(torch.zeros(2))
        ...     def model(self, x=None, n=1):
        ...         with dgmppl.data_plate(x, n):
        ...             return pyro.sample("x", Normal(self.loc, 1.0).to_event(1), obs=x)
        >>> Line().model(n=3).shape
        torch.Size([3, 2])
    """

    #: Name of the plate over the i.i.d. data; `None` takes "data" or else the only outermost one.
    data_plate: str | None = None
    #: Whether the networks take particles as a leading dimension; if not, particles are looped
    # over.
    vectorized: bool = True
    #: Whether NaN in a batch means a missing entry.
    reads_missing: bool = False

    def model(self, x: Any = None, n: int = 1) -> Any:
        """p(latents, x): scores `x`, or draws `n` data when `x` is `None`."""
        raise NotImplementedError(f"{type(self).__name__} has no model(self, x=None, n=1).")

    def with_guide(self, guide: Callable[..., Any]) -> Program:
        """The same model (its parameters shared) with another guide."""
        return Guided(self, guide)


class Adopted(Program):
    """Runs foreign Pyro functions and keeps the parameters that they declare."""

    def __init__(self, *functions: Callable[..., Any] | None):
        super().__init__()
        self.declared = nn.ParameterDict()
        self.modules_found = nn.ModuleList(modules_of(*functions))
        self.declaring = True
        # in tuples, so that a module is not registered twice
        self._functions = functions
        parts = (part for module in self.modules_found for part in module.modules())
        self._automatic = tuple(part for part in parts if isinstance(part, AutoGuide))

    def call(self, fn: Callable[..., Any], x: Any) -> Any:
        """Calls `fn(x)`, `fn(*x)` or `fn(**x)` as the batch is a tensor, a tuple or a mapping."""
        with OwnParameters(self.declared, self.declaring), self._inside_automatic_guides():
            if isinstance(x, Mapping):
                return fn(**x)
            return fn(*x) if isinstance(x, tuple | list) else fn(x)

    def extended(
        self, model: Callable[[], Any], guide: Callable[..., Any] | None, batch: Any
    ) -> Any:
        """Runs a model and then, where its guide has one, the reverse model of what the guide adds.

        `guide.reverse(latents, *batch)` samples the sites that the guide draws beyond the model's,
        given the values of those: log r(a|x, z) joins log p(x, z).
        """
        reverse = getattr(guide, "reverse", None)
        if reverse is None:
            return model()
        found = trace(model)
        latents = {n: s["value"] for n, s in sample_sites(found).items() if not s["is_observed"]}
        with poutine.block(hide_fn=site_is_subsample):  # the model's plates, entered once more
            self.call(partial(reverse, latents), batch)
        return found.nodes["_RETURN"]["value"]

    @contextmanager
    def _inside_automatic_guides(self) -> Iterator[None]:
        """Keeps parameters here, too, where an AutoGuide runs its model out of handlers' sight."""
        models = [guide._model for guide in self._automatic]
        try:
            for guide, (model,) in zip(self._automatic, models, strict=True):
                guide._model = (OwnParameters(self.declared, self.declaring)(model),)
            yield
        finally:
            for guide, kept in zip(self._automatic, models, strict=True):
                guide._model = kept


class Pair(Adopted):
    """Adopts a Pyro model and guide as they are.

    `pyro.param` and `pyro.module` inside them are kept in this module: the global parameter store
    is neither read nor written. Modules are found as the callables themselves, as the owners of
    bound methods, and among the names that a function refers to.

    Arguments:
        model: A Pyro model. It is called as `model(x)`, `model(*x)` or `model(**x)` for a batch
            that is a tensor, a tuple or a mapping.
        guide: A Pyro guide with the same arguments, or an `AutoGuide`; `None` if there are no
            latents.
        data_plate: Name of the plate over the data; `None` takes "data" or else the only outermost
            one.
        vectorized: Whether the program tolerates particles as a leading dimension.

    Example:
        >>> import pyro, torch
        >>> import pyro.distributions as dist
        >>> def model(x):
        ...     loc = pyro.param("loc", torch.tensor(0.0))
        ...     with pyro.plate("data", len(x)):
        ...         pyro.sample("x", dist.Normal(loc, 1.0), obs=x)
        >>> pair = Pair(model)
        >>> _ = pair.model(torch.ones(3))
        >>> [name for name, _ in pair.named_parameters()], len(pyro.get_param_store())
        (['declared.loc'], 0)
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any] | None = None,
        *,
        data_plate: str | None = None,
        vectorized: bool = True,
    ):
        super().__init__(model, guide)
        self.data_plate, self.vectorized = data_plate, vectorized

    def model(self, x: Any = None, n: int = 1) -> Any:
        """The adopted model; it needs data even to draw, for their shape."""
        model = self._functions[0]
        if x is None or model is None:
            raise ValueError(
                "Expected a batch: an adopted Pyro model can only be called with data. "
                "Try generate(program, x=batch), which draws anew what the batch observes."
            )
        return self.extended(lambda: self.call(model, x), self._functions[1], x)

    @property
    def guide(self) -> Callable[[Any], Any] | None:
        """The adopted guide as a function of the batch, or `None`."""
        guide = self._functions[1]
        return None if guide is None else lambda x: self.call(guide, x)


class Guided(Adopted):
    """A program whose guide has been exchanged.

    Arguments:
        program: Gives the model.
        guide: A callable of the batch, most often an `nn.Module` or a Pyro `AutoGuide`.
    """

    def __init__(self, program: nn.Module, guide: Callable[..., Any]):
        inner = without_guide(program)
        super().__init__(guide)
        self.program: nn.Module = inner
        self.data_plate = getattr(inner, "data_plate", None)
        self.vectorized = getattr(inner, "vectorized", True)

    def model(self, x: Any = None, n: int = 1) -> Any:
        """The wrapped program's model; where data are given, the guide's reverse model follows."""
        model: Any = self.program.model
        if x is None:
            return model(x, n)
        return self.extended(lambda: model(x, n), self._functions[0], self._batch(x))

    def guide(self, x: Any) -> Any:
        """The exchanged guide; beside a `Pair` it is called with the pair's arguments."""
        guide = self._functions[0]
        assert guide is not None
        return self.call(guide, self._batch(x))

    def _batch(self, x: Any) -> Any:
        """What the guide is called with."""
        return x if isinstance(self.program, Pair) else (x,)


def with_guide(program: nn.Module, guide: Callable[..., Any]) -> Program:
    """The same model (its parameters shared) with another guide."""
    return program.with_guide(guide) if isinstance(program, Program) else Guided(program, guide)


def without_guide(program: nn.Module) -> nn.Module:
    """The program that a guide was exchanged in, as it was before."""
    return program.program if isinstance(program, Guided) else program


def guide_of(program: nn.Module) -> Callable[[Any], Any] | None:
    """The program's guide, or `None` where it has none."""
    return getattr(program, "guide", None)
