"""A contender's process: reads a command a line, answers with a line of JSON.

    make          makes the step              {"seconds"} or {"unavailable"}
    run N         runs N steps                {"milliseconds": […], "cpu": …, "bounds": […]}
    draw N        N bounds of the first batch at the initial parameters   {"bounds": […]}
    kernels N     time of the GPU's kernels in N steps, a step's mean     {"milliseconds": …}
    peak          memory since the process was ready                      {"mebibytes": …}

Batches come in one order for all contenders, and go on where the last `run` ended.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch

from .place import ON_GPU
from .registry import CONTENDERS, PARTS, WORKLOADS, make
from .workload import UnavailableError

__all__ = ["Child", "resident"]


def resident(field: str) -> float | None:
    """Mebibytes of this process: "VmRSS" now, "VmHWM" at most so far; `None` where unknown."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def _returned() -> float | None:
    """Mebibytes of this process once freed memory, of imports say, is the system's again."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's alone
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with suppress(OSError):  # the largest size so far counts from here on
        Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


class Child:
    """What the process holds between commands."""

    def __init__(self, workload: str, contender: str, inputs: Path, seed: int):
        arrays = dict(np.load(inputs))
        self.batches = arrays.pop("batches")
        self.parameters = arrays
        self.workload, self.contender = WORKLOADS[workload], contender
        self.position = 0
        pyro.set_rng_seed(seed)  # of PyTorch and NumPy
        with suppress(ImportError):  # `make` says what is missing
            import_module((CONTENDERS | PARTS)[contender].imports)
        self.before = _returned()

    def make(self, _: int) -> dict[str, Any]:
        """The step at the initial parameters."""
        began = time.perf_counter()
        try:
            self.step = make(self.workload, self.contender, self.batches[0])
        except UnavailableError as reason:
            return {"unavailable": str(reason)}
        self.step.load(self.parameters)
        seconds = time.perf_counter() - began
        self.converted = [self.step.convert(batch) for batch in self.batches]
        return {"seconds": seconds}

    def run(self, number: int) -> dict[str, Any]:
        """Steps, each timed; on a GPU, which is waited for at the end, their mean."""
        milliseconds, found, cpu = [], [], time.process_time()
        began = time.perf_counter()
        for _ in range(number):
            x = self.converted[self.position % len(self.converted)]
            start = time.perf_counter()
            found.append(self.step(x))
            milliseconds.append(1e3 * (time.perf_counter() - start))
            self.position += 1
        bounds = [float(found[-1]), *map(float, found)][1:]  # the last one first: it is the end
        if ON_GPU:
            milliseconds = [1e3 * (time.perf_counter() - began) / number] * number
        cpu = 1e3 * (time.process_time() - cpu) / number
        return {"milliseconds": milliseconds, "cpu": cpu, "bounds": bounds}

    def kernels(self, number: int) -> dict[str, Any]:
        """What the GPU works on in a step, or `None` where PyTorch cannot tell."""
        if not ON_GPU or self.contender == "numpyro":
            return {"milliseconds": None}
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            self.run(number)
        events = [e for e in profiler.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        return {"milliseconds": sum(e.time_range.elapsed_us() for e in events) / 1e3 / number}

    def draw(self, number: int) -> dict[str, Any]:
        """Bounds at the initial parameters, by the step itself."""
        bounds = []
        for _ in range(number):
            self.step.load(self.parameters)
            bounds.append(float(self.step(self.converted[0])))
        return {"bounds": bounds}

    def peak(self, _: int) -> dict[str, Any]:
        """The largest size so far beyond that before `make`."""
        if ON_GPU:
            return {"mebibytes": torch.cuda.max_memory_allocated() / 2**20 or None}
        now = resident("VmHWM")
        return {"mebibytes": None if now is None or self.before is None else now - self.before}


def main() -> None:
    """Serves until the commands end; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    workload, contender, inputs, seed = sys.argv[1:]
    child = Child(workload, contender, Path(inputs), int(seed))
    for line in sys.stdin:
        command, number = line.split()
        print(json.dumps(getattr(child, command)(int(number))), file=answers, flush=True)


if __name__ == "__main__":
    main()
