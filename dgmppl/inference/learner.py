"""The loop behind `fit`: steps, epochs, checkpoints, resumption."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import dgmppl.randomness as randomness
from dgmppl.binding import Binding, bind
from dgmppl.data import Batch, batches, count_batches, held_on
from dgmppl.data.nested import batch_length
from dgmppl.inference.averages import Averages
from dgmppl.inference.checkpoint import read_checkpoint, write_atomically, write_checkpoint
from dgmppl.inference.display import Display
from dgmppl.inference.history import History
from dgmppl.inference.interruption import Interruption
from dgmppl.inference.ledger import Ledger, NonFiniteError
from dgmppl.inference.player import Player
from dgmppl.inference.processes import ALONE, Processes, running_statistics
from dgmppl.inference.resumption import restore_state, state_of
from dgmppl.inference.run import Run
from dgmppl.inference.settings import settings_of
from dgmppl.inference.unison import same_start
from dgmppl.lowering import Compile, backends_for
from dgmppl.objectives.objective import Objective, Progress
from dgmppl.traces import evaluating

__all__ = ["Learner"]


@dataclass
class Learner:
    """Everything a run needs, and where it stands. The arguments are those of `fit`."""

    program: nn.Module
    data: Any
    objective: Objective
    optimizer: Any
    schedule: Any
    clip_gradient: Any
    averaging: float | None
    epochs: int
    batch_size: int | None
    validation: Any
    amp: torch.dtype | None
    compile: Compile
    device: torch.device
    seed: int
    directory: Path | None
    checkpoint_seconds: float
    callbacks: Sequence[Callable[[Run], Any]]
    progress: bool
    record: dict[str, Any]
    processes: Processes = ALONE

    def learn(self, *, resume: bool) -> Run:
        """Prepares, learns, and returns the run."""
        self.processes.first(lambda: self._refuse_bad_input(resume))
        self._prepare()
        try:
            if resume:
                restore_state(self, self.processes.first(lambda: read_checkpoint(self._last)))
            else:
                self.run.history.clear()  # of a run that was killed before its first checkpoint
                self._save()
            with Interruption() as self.interruption:
                self._loop()
        except NonFiniteError as error:
            cause = self.objective.explain(self.binding, self.state)
            raise NonFiniteError(f"{error} {cause}".rstrip()) from None
        finally:
            self.run.history.close()
        if self.averages:
            self.averages.keep()
        return self.run

    def _refuse_bad_input(self, resume: bool) -> None:
        if self.epochs < 0:
            raise ValueError(f"Expected epochs of at least 0, got {self.epochs}.")
        for data in (self.data, self.validation):
            if hasattr(data, "check"):
                data.check(missing=getattr(self.program, "reads_missing", False))
        if resume and self.directory is None:
            raise ValueError("Expected a directory to resume from. Try fit(…, directory=…).")
        if self.directory and self._last.exists() and not resume:
            raise FileExistsError(
                f"Directory {self.directory} holds a run. Try resume=True to go on with it, or "
                "another directory."
            )
        if self.directory and resume and not self._last.exists():
            raise FileNotFoundError(
                f"Directory {self.directory} holds no run to resume. Try resume=False."
            )

    def _prepare(self) -> None:
        """Binds the objective to the program on the first batch, and makes the players."""
        self.program.to(self.device)
        self.data, self.validation = (
            held_on(self.device, data) for data in (self.data, self.validation)
        )
        first = next(iter(batches(self.data, self.batch_size, device=self.device))).x
        self.binding: Binding = bind(self.program, first)
        self.program.to(self.device)
        self.objective.check(self.binding)
        if self.validation is not None:
            self._try_validation()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp is torch.float16)
        self.state = self.objective.state(self.binding, first)
        if self.state is not None:
            self.state.to(self.device)
        self.players = [
            Player(
                phase,
                self.binding,
                self.optimizer,
                self.schedule,
                self.clip_gradient,
                self.scaler,
                self.state,
                self.amp,
            )
            for phase in self.objective.phases(self.binding)
        ]
        same_start(self)
        self.averages = None if self.averaging is None else Averages(self.program, self.averaging)
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
        path = None if self.directory is None else self.directory / "metrics.jsonl"
        self.run = Run(
            self.program, self.objective, History(path), self.directory, settings_of(self)
        )
        self.ledger = Ledger(
            self.run.history, 1 if self.device.type == "cpu" else 50, self.processes
        )
        self.position, self.best = 0, -float("inf")
        self.epoch_start = self._order()
        if self.directory is not None and not (self.directory / "run.json").exists():
            write_atomically(
                self.directory / "run.json", json.dumps(self.run.settings, indent=2).encode()
            )

    @torch.no_grad()
    def _try_validation(self) -> None:
        """The objective must serve the validation data, too: told now, not an epoch later."""
        x = next(iter(batches(self.validation, self.batch_size, device=self.device))).x
        with evaluating(self.program), randomness.seeded(self.seed):
            self.objective.value(self.binding, x, Progress(size=len(self.data)))

    def _loop(self) -> None:
        steps = max(count_batches(self.data, self.batch_size), 1)
        shown = -(-steps // self.processes.size)
        with Display(self.epochs, shown, self.progress, self.objective.measure) as self.display:
            self._compile(shown * self.epochs)
            while self.run.epoch < self.epochs and not self.run.reason:
                self._epoch(steps)

    def _compile(self, steps: int) -> None:
        """Has the phases recorded at their first batch, where that pays."""
        if backends := backends_for(self.compile, steps):
            for player in self.players:
                player.compile(
                    backends,
                    strict=self.compile != "auto",
                    say=self._note,
                    alone=self.processes.size == 1,
                )

    def _note(self, text: str) -> None:
        self.run.notes.append(text)
        self.display.say(text)

    def _order(self) -> dict[str, Tensor]:
        """The random numbers that the order of data is drawn from: one for all processes."""
        return self.processes.first(lambda: randomness.snapshot(self._loader_generator))

    @property
    def _loader_generator(self) -> torch.Generator | None:
        """The random numbers that a DataLoader keeps to itself, for its order."""
        loader = getattr(self.data, "loader", None)
        sampler = getattr(loader, "sampler", None)
        return getattr(loader, "generator", None) or getattr(sampler, "generator", None)

    def _epoch(self, steps: int) -> None:
        """One pass over the data, or what is left of it."""
        began = time.monotonic()
        saved = began
        current = randomness.snapshot()
        randomness.restore(self.epoch_start, self._loader_generator)
        stream = batches(
            self.data,
            self.batch_size,
            shuffle=True,
            start=self.position,
            device=self.device,
            part=self.processes.part,
        )
        if self.position or not self.processes.is_first:
            randomness.restore(current)
        self.program.train()
        for batch in stream:
            self._step(batch, self.run.epoch + self.position / steps)
            self.position += self.processes.size
            interrupted, due = self.processes.any(
                self.interruption.requested, time.monotonic() - saved > self.checkpoint_seconds
            )
            if interrupted:
                self._save()
                raise KeyboardInterrupt
            if due:
                self._save()
                saved = time.monotonic()
        self._end_epoch(time.monotonic() - began)

    def _step(self, batch: Batch, epoch: float) -> None:
        """Every phase's moves on one batch."""
        self.run.step += 1
        progress = Progress(epoch, len(self.data), state=self.state)
        due = [each for each in self.players if self.run.step % each.phase.every == 0]
        for player in due:
            for _ in range(player.phase.repeat):
                estimate = player.estimate(batch.x, progress)
                place = {
                    "step": self.run.step,
                    "epoch": self.run.epoch + 1,
                    "batch": self.position,
                    "phase": player.phase.name,
                }
                self.ledger.record(place, estimate, batch.weight)
                player.move(estimate, self.processes, batch.weight)
        self.processes.spread(running_statistics(self.program, self.state))
        if self.averages:
            self.averages.update()
        self.display.step({**self.ledger.last, "step": self.run.step})

    def _end_epoch(self, seconds: float) -> None:
        row: dict[str, Any] = {
            "epoch": self.run.epoch + 1,
            **self.ledger.end_epoch(),
            "seconds": seconds,
        }
        if self.validation is not None:
            with self._averaged():
                row["validation"] = self._validate()
        for player in self.players:
            player.end_epoch(
                self.objective.direction * row.get("validation", row.get("value", 0.0))
            )
        self.run.epoch, self.position = self.run.epoch + 1, 0
        self.run.seconds += seconds
        self.run.history.add("epochs", row)
        self.display.epoch(row)
        self.epoch_start = self._order()
        if "validation" in row and self.objective.direction * row["validation"] > self.best:
            self.best = self.objective.direction * row["validation"]
            self._save("best.safetensors")
        self.call_back()
        self._save()

    def call_back(self) -> None:
        """Lets the callbacks look at the run, and end it."""
        with self._averaged():
            for callback in self.callbacks:
                callback(self.run)
        self.run.reason = next(filter(None, self.processes.collect(self.run.reason)), "")

    def _averaged(self) -> AbstractContextManager[None]:
        """The program as it would be at the end."""
        return self.averages.shown() if self.averages else nullcontext()

    @torch.no_grad()
    def _validate(self) -> float:
        """The bound on the validation set, with the same draws every time."""
        progress = Progress(float(self.run.epoch + 1), len(self.data))
        total, count = 0.0, 0
        part = self.processes.part
        with evaluating(self.program), randomness.seeded(self.seed + part.rank):
            for batch in batches(self.validation, self.batch_size, device=self.device, part=part):
                number = batch_length(batch.x) if batch.weight else 0
                total += float(self.objective.value(self.binding, batch.x, progress)) * number
                count += number
        total, count = map(sum, zip(*self.processes.gather([total, count]), strict=True))
        return total / max(count, 1)

    @property
    def _last(self) -> Path:
        assert self.directory is not None
        return self.directory / "last.safetensors"

    def _save(self, name: str = "last.safetensors") -> None:
        """Writes a checkpoint of this position, unless a parameter is no longer finite."""
        self.ledger.flush()
        if not _finite(self.program):
            return
        state = state_of(self)
        if self.directory is not None:
            self.run.history.flush()
            write_checkpoint(self.directory / name, state)


def _finite(program: nn.Module) -> bool:
    tensors: list[Tensor] = [p.detach() for p in program.parameters()]
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
