"""Where something was measured, and with what."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from .place import ON_GPU

__all__ = ["machine", "pin"]

PACKAGES = ("torch", "pyro-ppl", "jax", "numpyro", "numpy", "dgmppl")


def pin() -> int | None:
    """Keeps this process and its children on one core, and names it; `None` where it cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def machine(core: int | None) -> dict[str, str]:
    """Facts for the head of a table."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    place = "not pinned" if core is None else f"all on core {core}"
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, PyTorch uses "
        f"{torch.backends.cpu.get_cpu_capability()}, MKL {_yes(torch.backends.mkl.is_available())}",
        **({"GPU": torch.cuda.get_device_name()} if ON_GPU else {}),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "threads": f"1 a process, {place}",
        "load before": f"{load} (1, 5, 15 minutes)",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _yes(value: bool) -> str:
    return "yes" if value else "no"
