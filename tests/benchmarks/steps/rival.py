"""The parent's end of a contender's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .place import DEVICE
from .workload import UnavailableError

__all__ = ["Rival"]

ROOT = Path(__file__).parents[1]

#: One thread for whatever multiplies.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": DEVICE.type,
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "PYTHONWARNINGS": "ignore",
}


class Rival:
    """A contender in a process of its own.

    Arguments:
        workload: Name of the workload.
        contender: Its name.
        inputs: File of parameters and batches.
        folder: For compiled code and what the process prints; empty, so that caches are cold.
        seed: Of the noise.
    """

    def __init__(self, workload: str, contender: str, inputs: Path, folder: Path, seed: int):
        self.name = contender
        self.log = folder / f"{contender}.log"
        caches = {"TORCHINDUCTOR_CACHE_DIR": str(folder / f"{contender}.cache")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "steps.child", workload, contender, str(inputs), str(seed)],
                cwd=ROOT,
                env=os.environ | ONE_THREAD | caches,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, command: str, number: int = 0) -> dict[str, Any]:
        """Sends a command, waits for the answer.

        Raises:
            UnavailableError: If the machine cannot run the contender.
            RuntimeError: If the process ended, with the last it printed.
        """
        assert self.process.stdin and self.process.stdout
        try:
            print(command, number, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            last = "\n".join(self.log.read_text().splitlines()[-15:])
            raise RuntimeError(f"The process of '{self.name}' ended at '{command}':\n{last}")
        result: dict[str, Any] = json.loads(answer)
        if "unavailable" in result:
            raise UnavailableError(result["unavailable"])
        return result

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()
