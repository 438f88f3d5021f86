"""Vectors, pictures and sequences whose elements are drawn one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from pyro.distributions import Bernoulli, TorchDistribution
from torch import Tensor
from torch.distributions import constraints

__all__ = ["Autoregressive"]


def _bernoulli(logits: Tensor) -> Any:
    return Bernoulli(logits=logits)


class _Elements(constraints.Constraint):
    """Values all of whose elements lie in the factors' support."""

    def __init__(self, own: Any, whole: Autoregressive):
        self.own, self.whole = own, whole
        self.event_dim, self.is_discrete = len(whole.event_shape), own.is_discrete

    def check(self, value: Tensor) -> Tensor:
        """`[*batch]`."""
        inside: Tensor = self.own.check(self.whole.elements(value)).all(-1)
        return inside


class Autoregressive(TorchDistribution):
    """p(x) = Π_i p(x_i | x_1, …, x_{i−1}), every factor given by one causal network.

    A score takes one pass of the network. A draw takes one pass for each element, or as much as the
    network's own `walk` takes: a method `walk(x)` that yields the parameters of the elements in
    turn, each after those before it were written into x. Networks of `dgmppl.networks` have one
    that computes nothing twice.

    Arguments:
        net: Values `[*batch, *event_shape]` → parameters `[*batch, *event_shape, *rest]`. Those of
            an element may depend only on elements before it. A `functools.partial` of a network
            gives it conditions, whose leading dimensions it has to broadcast with the values'. One
            whose `any_order` is true, such as `AnyOrder`, is given the order as well.
        event_shape: Shape of one x.
        factor: Parameters `[*batch, *rest]` → the distribution of one element, batch shape
            `[*batch]`; Bernoulli of logits unless told.
        size: How many numbers an element has that are drawn at once, the length of a factor's
            event; 1 for factors of single numbers. Parameters of more are `[*batch, D, *rest]`,
            where D is the number of elements.
        order: Which element is drawn first, second, … in the flattened event: `[D]`, or one a row
            of the batch, `[*batch, D]`. From first to last unless told.
        batch_shape: Shape of independent copies.

    Example:
        >>> from pyro.distributions import Categorical
        >>> def repeats(c):  # the first is any of three, the others are copies of the one before
        ...     previous = c.roll(1, -1)[..., None] == torch.arange(3)
        ...     return torch.where(torch.arange(4)[:, None] > 0, 50.0 * previous, 0.0)
        >>> sequences = Autoregressive(repeats, (4,), lambda logits: Categorical(logits=logits))
        >>> c = sequences.sample()
        >>> bool((c == c[0]).all()), round(sequences.log_prob(c).exp().item(), 3)
        (True, 0.333)
    """

    arg_constraints: dict = {}  # noqa: RUF012 - the name and type are torch's protocol

    def __init__(
        self,
        net: Callable[..., Tensor],
        event_shape: Any,
        factor: Callable[[Tensor], Any] = _bernoulli,
        *,
        size: int = 1,
        order: Tensor | None = None,
        batch_shape: Any = torch.Size(),
        validate_args: Any = None,
    ):
        self.net, self.factor, self.size, self.order = net, factor, size, order
        super().__init__(
            torch.Size(batch_shape), torch.Size(event_shape), validate_args=validate_args
        )
        any_order = getattr(net, "any_order", False)
        self.conditionals = partial(net, order=self._in_turn()) if any_order else net

    @constraints.dependent_property
    def support(self) -> Any:
        """That of the factors, at every element."""
        with torch.no_grad():
            own = self.factor(
                self.conditionals(torch.zeros(self.batch_shape + self.event_shape))
            ).support
        if self.size > 1:
            return _Elements(own, self)
        return constraints.independent(own, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Autoregressive:
        """Independent copies of shape `batch_shape`."""
        return Autoregressive(
            self.net,
            self.event_shape,
            self.factor,
            size=self.size,
            order=self.order,
            batch_shape=batch_shape,
            validate_args=False,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability, or log-density, of values `[*batch, *event_shape]`, `[*batch]`."""
        factors = self.factor(self.conditionals(value))
        if self.size > 1:
            return factors.log_prob(self.elements(value)).sum(-1)
        return factors.log_prob(value).sum([*range(-len(self.event_shape), 0)])

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """One element after the other, `sample_shape + batch_shape + event_shape`."""
        return self._filled(torch.zeros(self._extended_shape(sample_shape)))

    @torch.no_grad()
    def complete(self, value: Tensor, known: Tensor) -> Tensor:
        """Draws the elements that are not known, given those that are.

        Arguments:
            value: `[*batch, *event_shape]`; what is not known is ignored.
            known: Which elements are, of a shape that broadcasts with `value`.

        Raises:
            ValueError: If a known element comes after one that is not: what is known later would
                not be heeded.
        """
        held = self.elements(known.expand(value.shape).contiguous())
        if bool((held.any(-1) != held.all(-1)).any()):
            raise ValueError(
                f"Expected elements of {self.size} numbers that are known or not, got some of "
                "which a part is known. Try a mask of whole elements."
            )
        held = held.all(-1)
        order = self._in_turn().expand(held.shape)
        in_turn = held.gather(-1, order)
        chosen = self
        if getattr(self.net, "any_order", False):  # then what is known comes first
            order = order.gather(-1, (~in_turn).int().argsort(dim=-1, stable=True))
            chosen = Autoregressive(
                self.net, self.event_shape, self.factor, size=self.size, order=order
            )
        elif bool((in_turn[..., 1:] & ~in_turn[..., :-1]).any()):
            raise ValueError(
                "Expected known elements before all others in the order of drawing, got some after "
                "them. Try a program that draws in any order, such as the recipe orderless-nade."
            )
        return chosen._filled(value.where(known, 0).contiguous(), held)

    def _filled(self, values: Tensor, held: Tensor | None = None) -> Tensor:
        """Draws every element that is not held; in place, but for its type."""
        elements, kind = self.elements(values), values.dtype
        batch = elements.shape[:-2]
        order = self._in_turn()
        each = order.expand(*batch, -1)[..., None] if order.dim() > 1 else order[:, None]
        walk = _walk_of(self.conditionals)
        own_dim = 1 if self.size > 1 else len(self.event_shape)
        walk = walk or partial(_naive, self.conditionals, each, len(batch), own_dim)
        for place, parameters in zip(each.unbind(-2), walk(values), strict=True):
            drawn = self.factor(parameters.contiguous()).sample()  # what is drawn hangs on strides
            kind = drawn.dtype
            place = place.expand(*batch, 1)
            at = place[..., None].expand(*batch, 1, self.size)
            drawn = drawn.reshape(at.shape)
            if held is not None:
                drawn = drawn.where(~held.gather(-1, place)[..., None], elements.gather(-2, at))
            elements.scatter_(-2, at, drawn.to(elements.dtype))
        return values.to(kind)

    def _in_turn(self) -> Tensor:
        """Which element is drawn first, second, …, `[D]` or `[*batch, D]`."""
        if self.order is not None:
            return self.order
        return torch.arange(self.event_shape.numel() // self.size)

    def elements(self, value: Tensor) -> Tensor:
        """A view of values as elements, `[*batch, D, size]`."""
        batch = value.shape[: value.dim() - len(self.event_shape)]
        return value.view(*batch, -1, self.size)


def _walk_of(net: Any) -> Callable[[Tensor], Iterator[Tensor]] | None:
    """The network's own way of drawing, with the conditions that it was given."""
    if isinstance(net, partial):
        walk = getattr(net.func, "walk", None)
        return walk and partial(walk, *net.args, **net.keywords)
    return getattr(net, "walk", None)


def _naive(
    net: Callable[[Tensor], Tensor], order: Tensor, batch_dim: int, own_dim: int, values: Tensor
) -> Iterator[Tensor]:
    """The parameters of every element in turn, by a pass of the network for each.

    Arguments:
        net: Values → parameters.
        order: Which elements in turn, `[*batch, D, 1]` or `[D, 1]`.
        batch_dim: How many dimensions the batch has.
        own_dim: How many of the parameters' dimensions count the elements.
        values: What has been drawn, `[*batch, *event_shape]`.
    """
    for place in order.unbind(-2):
        parameters = net(values).flatten(batch_dim, batch_dim + own_dim - 1)
        batch, rest = parameters.shape[:batch_dim], parameters.shape[batch_dim + 1 :]
        index = place.expand(*batch, 1).reshape(*batch, 1, *[1] * len(rest))
        yield parameters.gather(batch_dim, index.expand(*batch, 1, *rest)).squeeze(batch_dim)
