"""Finds the other processes that torchrun started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from dgmppl.inference.group import Group
from dgmppl.inference.lost import LostProcessError, farewell
from dgmppl.inference.processes import Processes

__all__ = ["begins_anew", "joined"]

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def begins_anew(processes: Processes, directory: Path | None, *, told: bool) -> bool:
    """Whether a run to be resumed has left nothing: its processes were lost before it began.

    Only torchrun starts a command again without looking; elsewhere that is a user's mistake.

    Arguments:
        processes: Those that resume it.
        directory: The run's.
        told: Whether to tell the user.
    """
    if directory is None or not _is_launched():
        return False
    anew = not processes.first(lambda: (directory / "last.safetensors").exists())
    if anew and told and processes.is_first:
        Console(stderr=True).print(f"no checkpoint in {directory} yet: begins anew")
    return anew


@contextmanager
def joined(device: str | torch.device = "auto") -> Iterator[Processes]:
    """The processes that learn together: those that torchrun started, or this one alone.

    A process group that is there already is taken as it is; else it is made, and left at the end.
    An error that leaves it has the attribute `told`: whether another process tells the user of it.

    Arguments:
        device: "auto" (a GPU if there is one), or a device. Several processes on "cuda" take one
            GPU each, by their `LOCAL_RANK`.

    Returns:
        A context.

    Raises:
        ValueError: If there are fewer GPUs than processes on this machine.

    Example:
        >>> with joined("cpu") as processes:
        ...     processes.size
        1
    """
    if dist.is_initialized():
        yield _group(dist.get_rank(), dist.get_world_size(), device, None)
    elif _is_launched() and int(os.environ["WORLD_SIZE"]) > 1:
        yield from _own_group(device)
    else:
        yield Processes(device=_device(device))


def _is_launched() -> bool:
    """Whether torchrun started this process (its environment variables tell)."""
    return all(name in os.environ for name in VARIABLES)


def _own_group(device: str | torch.device) -> Iterator[Processes]:
    """A group that lasts as long as the run."""
    place = _device(device, shared=True)
    root, rank, size = next(rendezvous("env://"))
    # torchrun's store outlives a group, so each has names of its own: attempt and joins counted
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    joins = root.add(f"dgmppl {attempt}", 1)
    store = PrefixStore(f"dgmppl {attempt} {(joins - 1) // size}", root)
    backend = "nccl" if place.type == "cuda" else "gloo"
    hook = sys.excepthook  # which torch wraps anew in each group
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    group = _group(rank, size, place, store)
    try:
        yield group
        group.any(False)  # nobody takes the store away while another still learns
    except BaseException as error:
        if isinstance(error, LostProcessError):
            error.told = not error.speaks  # type: ignore[attr-defined]
        else:
            farewell(store, rank, error)
            error.told = rank > 0  # type: ignore[attr-defined]
        raise
    finally:
        sys.excepthook = hook
        if dist.is_initialized():
            dist.destroy_process_group()


def _group(rank: int, size: int, device: str | torch.device, store: Store | None) -> Processes:
    place = _device(device, shared=size > 1)
    if size == 1:
        return Processes(device=place)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    control = dist.new_group(backend="gloo") if place.type == "cuda" else None
    return Group(rank, size, place, control, store)


def _device(device: str | torch.device, *, shared: bool = False) -> torch.device:
    """Where this process computes."""
    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(device)
    if not shared or place.type != "cuda" or place.index is not None:
        return place
    here, number = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    wanted = int(os.environ.get("LOCAL_WORLD_SIZE", here + 1))
    if wanted > number:
        raise ValueError(
            f"Expected a GPU for each of {wanted} processes on this machine, got {number}. Try "
            f"--nproc-per-node={number}, or the device 'cpu'."
        )
    return torch.device("cuda", here)
