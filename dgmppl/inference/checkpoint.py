"""Checkpoints: tensors and JSON in one file, replaced atomically, loaded without running code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

__all__ = [
    "CheckpointError",
    "load_parameters",
    "read_checkpoint",
    "write_atomically",
    "write_checkpoint",
]

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or belongs to another program."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes nested dicts and lists of tensors and JSON values to one safetensors file.

    The old file stays until the new one is whole on disk, so a reader never sees half of one.

    Arguments:
        path: The file.
        state: What to keep. Keys may be strings or whole numbers.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(state, tensors)
    metadata = {"format": f"dgmppl {FORMAT}", "state": json.dumps(tree)}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `write_checkpoint` wrote, all tensors on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is cut short, damaged, or not ours.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a checkpoint at {path}, found none. Try a run's directory."
        )
    content = path.read_bytes()  # at once: while it is read, another may take its place
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"Checkpoint {path} is cut short or damaged ({error}). Try another checkpoint of the "
            "run, or start anew."
        ) from error
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if not metadata.get("format", "").startswith("dgmppl "):
        raise CheckpointError(
            f"Expected a checkpoint of dgmppl at {path}, got another safetensors file."
        )
    return _unpack(json.loads(metadata["state"]), tensors)


def load_parameters(
    program: nn.Module, state: dict[str, Tensor], origin: str = "the checkpoint"
) -> None:
    """Loads parameters and buffers into a program, all or none.

    Raises:
        CheckpointError: If names or shapes differ, naming the first that does.
    """
    own = program.state_dict()
    missing = [name for name in own if name not in state]
    extra = [name for name in state if name not in own]
    shapes = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or extra or shapes:
        if shapes and not (missing or extra):
            name = shapes[0]
            there, here = tuple(state[name].shape), tuple(own[name].shape)
            what = f"'{name}' has shape {there} there and {here} here"
        else:
            what = f"missing there: {missing[:3]}; unknown here: {extra[:3]}"
        raise CheckpointError(
            f"{origin} belongs to another program than {type(program).__name__}: {what}. Try the "
            "program and settings it was learned with (they stand in the run's run.json)."
        )
    program.load_state_dict(state)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that is either the old one or the whole new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON with every tensor replaced by its number."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, tensors) for item in value]
    return value


def _unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, list):
        return [_unpack(item, tensors) for item in tree]
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        return {key: _unpack(item, tensors) for key, item in tree["dict"]}
    return tree
