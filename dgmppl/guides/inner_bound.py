"""The evidence lower bound of each datum as a function of its own variational parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Normal
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.guides.mean_field import MeanField
from dgmppl.guides.mirrored import Mirrored
from dgmppl.weights import Weights, weights

__all__ = ["InnerBound"]


class _At(nn.Module):
    """A program with another guide for one moment."""

    def __init__(self, program: nn.Module, guide: Callable[[Any], Any]):
        super().__init__()
        self.program, self.guide = program, guide
        self.data_plate = getattr(program, "data_plate", None)
        self.vectorized = getattr(program, "vectorized", True)

    def model(self, x: Any = None, n: int = 1) -> Any:
        return self.program.model(x, n)  # type: ignore[operator]


class InnerBound:
    """L(λ) = E_q(z; λ)[log p(x, z) − log q(z; λ)] of each datum, with q a mean field.

    The model runs out of sight of the handlers around the guide: particles, powers and values that
    are imposed there neither see nor change it. This is no module, so that the program's parameters
    are not the guide's own.

    Arguments:
        program: Gives the model.
        field: The family of q.
        example: A batch.
        parameters: λ of the example's data, `[B, 2 D]`.
        num_particles: Draws a datum for the expectation, the second half mirroring the first (not
            where particles are looped over).
    """

    def __init__(
        self,
        program: nn.Module,
        field: MeanField,
        example: Any,
        parameters: Tensor,
        num_particles: int,
    ):
        self.program, self.field, self.num_particles = program, field, num_particles
        found = bind(self._at(parameters), example)
        self.binding: Binding = replace(found, program=program)  # no closure stays behind

    def _at(self, parameters: Tensor) -> _At:
        side_by_side = self.num_particles > 1 and getattr(self.program, "vectorized", True)
        normal = Mirrored if side_by_side else Normal
        return _At(self.program, lambda _: self.field.draw(parameters, normal))

    def tables(self, x: Any, parameters: Tensor) -> Weights:
        """The weight tables of fresh draws at λ."""
        binding = replace(self.binding, program=self._at(parameters))
        with poutine.block():
            return weights(binding, x, self.num_particles)

    def value(self, tables: Weights) -> Tensor:
        """The bound of each datum in nats, `[B]`, KL(q‖p) in closed form where it is known."""
        known = tables.divergences
        rest = [name for name in {**tables.log_p, **tables.log_q} if name not in known]
        local = torch.as_tensor(tables.ratio(sites=rest)[0])
        return (local - sum(known.values())).mean(0)

    def slope(self, x: Any, parameters: Tensor) -> tuple[Tensor, Weights]:
        """∂L/∂λ `[B, 2 D]` and the tables it was found with.

        Where gradients are recorded it can be differentiated once more; where they are not, it
        works all the same.
        """
        recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            if not (recorded and parameters.requires_grad):
                parameters = parameters.detach().requires_grad_()
            tables = self.tables(x, parameters)
            total = self.value(tables).sum()
            (slope,) = torch.autograd.grad(total, parameters, create_graph=recorded)
        return slope, tables
