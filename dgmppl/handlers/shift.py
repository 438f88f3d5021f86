"""Move the parameters of a guide's distributions, each datum's by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor

from dgmppl.distributions.parameters import moved

__all__ = ["Shift"]


class Shift(Messenger):
    """Adds amounts to the unconstrained parameters of the distributions of sites that are drawn.

    A draw is scored with the amounts held fixed, as `StickingTheLanding` has it: the gradient of
    the bound by the amounts is without noise where the guide is the posterior.

    Arguments:
        amounts: Site → parameter → what is added.

    References:
        Sticking the Landing, Geoffrey Roeder, Yuhuai Wu, David Duvenaud, 2017.
        https://arxiv.org/abs/1703.09194

    Example:
        >>> import pyro, torch
        >>> from pyro.distributions import Normal
        >>> amounts = {"z": {"loc": torch.tensor(5.0), "scale": torch.tensor(-20.0)}}
        >>> with Shift(amounts):
        ...     round(float(pyro.sample("z", Normal(2.0, 1.0))), 3)
        7.0
    """

    def __init__(self, amounts: Mapping[str, Mapping[str, Tensor]]):
        super().__init__()
        self.amounts = amounts
        self._fixed: dict[str, Any] = {}

    def _pyro_sample(self, msg: Any) -> None:
        amounts = self.amounts.get(msg["name"])
        if amounts is None or msg["done"] or msg["is_observed"]:
            return
        fixed = {name: amount.detach() for name, amount in amounts.items()}
        self._fixed[msg["name"]] = moved(msg["fn"], fixed)
        msg["fn"] = moved(msg["fn"], amounts)

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["name"] in self._fixed:
            msg["log_density"] = self._fixed.pop(msg["name"]).log_prob(msg["value"])
