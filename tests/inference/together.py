"""Two processes that learn together, each writing what it saw: `python together.py FOLDER`."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch
from enumerable import ClosedMixture, Mixture, Switch
from enumerable import data as numbers
from linear_gaussian import LinearGaussian
from linear_gaussian import data as vectors
from torch import Tensor, nn
from torch.distributed import TCPStore
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import dgmppl
from dgmppl.data import TensorData
from dgmppl.inference import Run
from dgmppl.inference.launch import joined
from dgmppl.lowering import Plain
from dgmppl.objectives import (
    ELBO,
    Enumerate,
    ExpectationMaximization,
    InputDependent,
    MaximumLikelihood,
    PerRole,
    ScoreFunction,
)

ADAM = partial(torch.optim.Adam, lr=0.05)
SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
COMMON: dict[str, Any] = {
    "optimizer": ADAM,
    "epochs": 3,
    "progress": False,
    "seed": 4,
    "device": "cpu",
}
EXACT = ELBO(gradient=Enumerate())


class Normalised(LinearGaussian):
    """Running statistics, and a parameter that only data of one sign reach."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.norm = nn.BatchNorm1d(3, affine=False, dtype=torch.float64)
        self.rare = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))

    def guide(self, x: Tensor) -> Tensor:
        shift = self.rare if not self.training or x.sum() > 0 else 0.0
        return super().guide(self.norm(x) + shift)


#: Draws nothing, so that two processes must end where one does with batches twice as large.
DETERMINISTIC: dict[str, Callable[[int], dict[str, Any]]] = {
    # batches of 2 and 2, 2 and 2, 2 and 1
    "uneven": lambda size: {
        "program": Mixture(), "data": numbers(11), "objective": MaximumLikelihood(),
        "batch_size": 2 * size, "validation": numbers(5, seed=8),
    },
    # batches of 4 and 4, 1 and none
    "left over": lambda size: {
        "program": Mixture(), "data": numbers(9), "objective": MaximumLikelihood(),
        "batch_size": 4 * size,
    },
    "all at once": lambda size: {
        "program": Mixture(), "data": numbers(9), "objective": MaximumLikelihood(),
        "batch_size": None,
    },
    "clipped": lambda size: {
        "program": Mixture(), "data": numbers(11), "objective": MaximumLikelihood(),
        "batch_size": 2 * size, "optimizer": SGD,
        "clip_gradient": partial(nn.utils.clip_grad_norm_, max_norm=0.1),
    },
    "memory": lambda size: {
        "program": Mixture(), "data": numbers(11), "batch_size": 2 * size,
        "objective": ExpectationMaximization(maximization_steps=2),
    },
    "two players": lambda size: {
        "program": Switch(), "data": numbers(11), "batch_size": 2 * size,
        "objective": PerRole(model=EXACT, guide=EXACT), "optimizer": {"model": ADAM, "guide": SGD},
    },
    "graphs": lambda size: {
        "program": Switch(), "data": numbers(11), "batch_size": 2 * size, "compile": Plain(),
        "objective": PerRole(model=EXACT, guide=EXACT), "optimizer": {"model": ADAM, "guide": SGD},
    },
    "dataset": lambda size: {
        "program": Mixture(), "data": TensorDataset(numbers(11)), "batch_size": 2 * size,
        "objective": MaximumLikelihood(),
    },
    "loader": lambda size: {
        "program": Mixture(), "objective": MaximumLikelihood(),
        "data": DataLoader(TensorDataset(numbers(11)), batch_size=2 * size, shuffle=True),
    },
}  # fmt: skip


def deterministic(name: str, size: int) -> tuple[Run, dict[str, Tensor]]:
    """One of those runs, and the parameters it ended with."""
    run = dgmppl.fit(**{**COMMON, **DETERMINISTIC[name](size)})
    return run, dict(run.program.state_dict())


def drawing(folder: Path, **more: Any) -> Run:
    """Latents, dynamic data, running statistics; epochs of two steps, on 4 and 4, and 3 and 2."""
    data = TensorData(vectors(13), transform=lambda x: x + 0.1 * torch.randn_like(x))
    settings = {**COMMON, "batch_size": 4, "directory": folder, **more}
    return dgmppl.fit(Normalised(), data, **settings)


def baseline() -> list[nn.Parameter]:
    """All parameters that move where the objective has some, too."""
    moved: list[nn.Parameter] = []

    def optimizer(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        moved.extend(parameters)
        return ADAM(parameters)

    objective = ELBO(gradient=ScoreFunction(baseline=InputDependent(hidden_features=3)))
    settings = {**COMMON, "batch_size": 2, "optimizer": optimizer}
    dgmppl.fit(Switch(), numbers(11), objective, **settings)
    return moved


def seen_rows(folder: Path, *, stop: int = 0, **more: Any) -> list[float]:
    """Which numbers this process is shown in its steps."""
    seen: list[float] = []

    def note(x: Tensor) -> Tensor:
        seen.extend(x.tolist())
        return x

    steps = [0]

    def clip(_: Any) -> None:
        steps[0] += 1
        if steps[0] == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    data = TensorData(torch.arange(11, dtype=torch.float64), transform=note)
    settings = {**COMMON, "epochs": 1, "batch_size": 2, "directory": folder, "clip_gradient": clip}
    with suppress(KeyboardInterrupt):
        dgmppl.fit(Mixture(), data, MaximumLikelihood(), **{**settings, **more})
    return seen[2:]  # after a look at the first batch


def only_in(rank: int, step: int, action: Callable[[], Any]) -> Callable[[Any], None]:
    """What one process does at a step."""
    steps = [0]

    def clip(_: Any) -> None:
        steps[0] += 1
        if int(os.environ["RANK"]) == rank and steps[0] == step:
            action()

    return clip


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def averages(rank: int) -> list[Tensor | None]:
    """Gradients that both, one and neither have, in two precisions."""
    kinds = (torch.float64, torch.float32, torch.float64, torch.float64)
    parameters = [torch.zeros(2, dtype=kind) for kind in kinds]
    whose = ((0, 1), (0, 1), (1,), ())
    gradients = [
        parameter + rank + 1 if rank in who else None
        for parameter, who in zip(parameters, whose, strict=True)
    ]
    with joined("cpu") as processes:
        return processes.average(parameters, gradients, (0.25, 0.75)[rank])


def stopped(rank: int, folder: Path) -> Run:
    """One process's callback ends the run for all."""

    def callback(run: Run) -> None:
        if rank == 1 and run.epoch == 2:
            run.stop("enough")

    return drawing(folder, epochs=9, callbacks=[callback])


def message(act: Callable[[], Any]) -> str:
    """The error that something ends with."""
    try:
        act()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def everything(folder: Path, rank: int) -> dict[str, Any]:
    """All that two processes do."""
    result: dict[str, Any] = {"averages": averages(rank)}
    for name in DETERMINISTIC:
        run, state = deterministic(name, 1)
        result[name] = {"state": state, "steps": run.history.steps, "epochs": run.history.epochs}

    result["whole"] = dict(drawing(folder / "whole").program.state_dict())
    result["baseline"] = baseline()
    clip = only_in(1, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    result["interrupted"] = message(lambda: drawing(folder / "parts", clip_gradient=clip))
    result["resumed"] = dict(drawing(folder / "parts", resume=True).program.state_dict())
    result["from one"] = seen_rows(folder / "from one", resume=True)
    result["to one"] = seen_rows(folder / "to one", stop=2)

    run = stopped(rank, folder / "stopped")
    result["stopped"] = [run.epoch, run.reason, run.directory]
    data = numbers(8)
    data[6:] = 1e200  # at the second step, in order: the part of process 1
    loader = DataLoader(TensorDataset(data), batch_size=2)
    ml: dict[str, Any] = {**COMMON, "objective": MaximumLikelihood()}
    result["not finite"] = message(lambda: dgmppl.fit(Mixture(), loader, **ml))
    em: dict[str, Any] = {**COMMON, "objective": ExpectationMaximization()}
    result["closed form"] = message(lambda: dgmppl.fit(ClosedMixture(), numbers(8), **em))
    result["taken"] = message(lambda: drawing(folder / "whole"))
    sampler = DistributedSampler(data, num_replicas=2, rank=rank)  # type: ignore[arg-type]
    loader = DataLoader(TensorDataset(data), sampler=sampler)
    result["sampled"] = message(lambda: dgmppl.fit(Mixture(), loader, **ml))
    clip = only_in(1, 3, failing(OSError("no space")))
    result["failed"] = message(lambda: drawing(folder / "failed", clip_gradient=clip))
    return result


def work(folder: Path, rank: int, port: SimpleQueue[int]) -> None:
    """Everything, and at last process 1 is killed."""
    agent = {"MASTER_PORT": str(port.get()), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    os.environ.update(agent, MASTER_ADDR="localhost", WORLD_SIZE="2", RANK=str(rank))
    torch.save(everything(folder, rank), folder / f"{rank}.pt")
    clip = only_in(1, 5, lambda: os.kill(os.getpid(), signal.SIGKILL))
    settings = {"clip_gradient": clip, "checkpoint_seconds": 0.0}
    lost = message(lambda: drawing(folder / "lost", **settings))
    (folder / "lost.json").write_text(json.dumps(lost))


def main(folder: Path) -> None:
    """Starts both around a store, as torchrun does, and notes how they ended."""
    torch.set_num_threads(1)
    ADAM([torch.zeros(1)])  # imports what an optimizer needs once, not in each process
    context = multiprocessing.get_context("fork")
    ports = [context.SimpleQueue() for _ in range(2)]
    workers = [context.Process(target=work, args=(folder, r, ports[r])) for r in range(2)]
    for worker in workers:
        worker.start()
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    for port in ports:
        port.put(store.port)
    for worker in workers:
        worker.join()
    (folder / "codes.json").write_text(json.dumps([worker.exitcode for worker in workers]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
