"""Powers on the densities of single sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor

__all__ = ["Temper"]


class Temper(Messenger):
    """Raises the densities of the named sites to a power, in the objective but not in the bound.

    With power β on a latent site both log p and log q of it count β times: the β-VAE. The reported
    bound is always the one at power 1.

    Arguments:
        powers: Site name → power. Nested handlers multiply.

    References:
        β-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, Irina
        Higgins et al., 2017. https://openreview.net/forum?id=Sy2fzU9gl
    """

    def __init__(self, powers: Mapping[str, float | Tensor]):
        super().__init__()
        self.powers = powers

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.powers:
            power = self.powers[msg["name"]] * msg["infer"].get("power", 1.0)
            msg["infer"] = {**msg["infer"], "power": power}
