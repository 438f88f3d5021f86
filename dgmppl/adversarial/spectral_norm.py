"""Weights of largest singular value 1."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from dgmppl.adversarial.regularizer import Regularizer
from dgmppl.lowering import exchanged

__all__ = ["SpectralNorm"]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Embedding)


@dataclass(frozen=True)
class SpectralNorm(Regularizer):
    """Divides each layer's weights by their largest singular value whenever the critic is called.

    With activations of slope 1 at most the critic's slope is then at most 1. The singular value
    comes from PyTorch's parametrisation, by power iterations that go on from step to step in
    training mode; the program itself keeps its weights.

    Arguments:
        num_iterations: Power iterations a call.

    References:
        Spectral Normalization for Generative Adversarial Networks, Takeru Miyato et al., 2018.
        https://arxiv.org/abs/1802.05957
    """

    num_iterations: int = 1

    def state(self, critic: nn.Module) -> nn.Module | None:
        """A layer's singular vectors, by the name of its weight."""
        made = nn.ModuleDict()
        for name, part in critic.named_modules():
            if isinstance(part, LAYERS):
                normed: Any = spectral_norm(
                    copy.deepcopy(part), n_power_iterations=self.num_iterations
                )
                key = f"{name}.weight".lstrip(".").replace(".", "/")
                made[key] = normed.parametrizations.weight[0]
        return made

    @contextmanager
    def around(self, critic: nn.Module, state: nn.Module | None) -> Iterator[None]:
        """The critic with normed weights."""
        assert isinstance(state, nn.ModuleDict)
        own = dict(critic.named_parameters())
        names = {key.replace("/", "."): norm for key, norm in state.items()}
        with exchanged(critic, {name: norm(own[name]) for name, norm in names.items()}):
            yield
