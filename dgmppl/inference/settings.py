"""What a run was asked for, and on what machine: the content of `run.json`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pyro
import torch

if TYPE_CHECKING:
    from dgmppl.inference.learner import Learner

__all__ = ["settings_of"]


def settings_of(learner: Learner) -> dict[str, Any]:
    """JSON values that tell how to repeat a run."""
    return {
        **learner.record,
        "program": type(learner.program).__name__,
        "objective": repr(learner.objective),
        "formula": str(learner.objective),
        "optimizer": repr(learner.optimizer),
        "epochs": learner.epochs,
        "averaging": learner.averaging,
        "batch_size": learner.batch_size,
        "processes": learner.processes.size,
        "seed": learner.seed,
        "device": str(learner.device),
        "compile": str(learner.compile),
        "amp": None if learner.amp is None else str(learner.amp),
        "data": getattr(learner.data, "record", {}),
        "validation": getattr(learner.validation, "record", None),
        "parameters": {role: len(names) for role, names in learner.binding.roles.items()},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "pyro": pyro.__version__,
        },
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }
