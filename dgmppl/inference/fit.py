"""Learn a program: one loop over the phases of any objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from dgmppl.data import as_data
from dgmppl.inference.launch import begins_anew, joined
from dgmppl.inference.learner import Learner
from dgmppl.inference.lost import located
from dgmppl.inference.player import OptimizerFactory
from dgmppl.inference.run import Run
from dgmppl.lowering import Compile
from dgmppl.objectives.elbo import ELBO
from dgmppl.objectives.objective import Objective
from dgmppl.program import with_guide
from dgmppl.randomness import seeded

__all__ = ["fit"]

ADAM = partial(torch.optim.Adam, lr=1e-3)


def fit(
    program: nn.Module,
    data: Any,
    objective: Objective | None = None,
    *,
    guide: Callable[..., Any] | None = None,
    optimizer: OptimizerFactory | Mapping[str, OptimizerFactory] = ADAM,
    schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
    epochs: int = 10,
    batch_size: int | None = 128,
    validation: Any = None,
    clip_gradient: Callable[[list[nn.Parameter]], Any] | None = None,
    averaging: float | None = None,
    amp: torch.dtype | None = None,
    compile: Compile = "auto",
    device: str | torch.device = "auto",
    seed: int = 0,
    directory: str | Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callable[[Run], Any]] = (),
    progress: bool = True,
    record: Mapping[str, Any] | None = None,
) -> Run:
    """Learns a program in place.

    The result depends on the seed and the settings only. With a directory, a run that was
    interrupted (or killed) and resumed ends with the same bits as one that was not.

    Under `torchrun` the processes learn together: W of them, with `batch_size` data each, do what
    one would do with W times as many. They walk through one order of the data, each takes its part
    of every step, and the gradients of each phase are averaged; draws are each process's own, and
    running statistics (buffers) are process 0's. Reported values are averages, so that all decide
    alike; process 0 alone has a directory and a display. A run may be resumed by another number of
    processes.

    Arguments:
        program: A module with `model` and, where the objective needs one, `guide`.
        data: A tensor, mapping or tuple of tensors, array, `.npz`/`.npy` path, named data set,
            Dataset or DataLoader.
        objective: The learning principle; the ELBO by default.
        guide: Replaces the program's guide.
        optimizer: Parameters → `torch.optim.Optimizer`, or a mapping from role ("model", "guide",
            "critic") to such: players of a game then have a time scale each. Adam, AdamW and SGD
            take PyTorch's fused kernels where they can and where `fused` and `foreach` are left
            unset.
        schedule: Optimizer → `LRScheduler`, stepped once an epoch.
        epochs: Passes over the data, in all (not in addition, when a run is resumed).
        batch_size: Data a step, in each process; `None` takes all at once. A `DataLoader` keeps
            its own.
        validation: Held-out data; the bound on them is reported each epoch, and the best parameters
            kept in `best.safetensors`.
        clip_gradient: Parameters → anything, called before each optimizer step.
        averaging: The decay of a running mean of all parameters over steps, such as 0.999, or
            `None`. Validation, callbacks and the learned program then have the means.
        amp: `torch.bfloat16` or `torch.float16` for automatic mixed precision.
        compile: Whether steps run as recorded graphs: "auto" decides by their number and goes on
            with the program where there is no graph, `True` insists, `False` runs the program; or a
            backend, `Plain()` or `Inductor()`. What was chosen is in `run.notes`.
        device: "auto" (a GPU if there is one), or a device; under `torchrun` one GPU a process.
        seed: Seeds parameters that are created lazily, the order of data, and every draw.
        directory: Where checkpoints and metrics go.
        resume: Whether to continue the run in `directory`. Under `torchrun`, which may start a
            command again before it has left a checkpoint, a run without one begins anew.
        checkpoint_seconds: Time between checkpoints inside an epoch; one is always made at its end.
        callbacks: Called with the run after each epoch, in every process; `run.stop(reason)` ends
            it.
        progress: Whether to show a progress bar (or some lines where there is no terminal).
        record: More to keep in the directory's `run.json` (JSON values).

    Returns:
        The run, with the learned program and its history.

    Raises:
        ProgramError: If program and data do not fit.
        ObjectiveError: If the program cannot serve the objective.
        NonFiniteError: If a loss is not finite, with step, phase, site and batch.
        LoweringError: If `compile` insists on what this program has not, with the line.
        CheckpointError: If the checkpoint to resume from is damaged or of another program.
        LostProcessError: If another process was killed or failed: which, when, and from where the
            run can go on.

    Example:
        >>> import torch, dgmppl
        >>> from dgmppl.models.vae import VAE
        >>> x = torch.bernoulli(torch.full((64, 16), 0.3))
        >>> run = dgmppl.fit(VAE(data_dim=16, z_dim=2), x, epochs=2, progress=False)
        >>> len(run.history.epochs)
        2
    """
    if guide is not None:
        program = with_guide(program, guide)
    with joined(device) as processes, seeded(seed):
        # process 0's, for the others may have been given another name, such as the next free one
        where = processes.first(lambda: None if directory is None else Path(directory))
        learner = Learner(
            program=program,
            data=as_data(data),
            objective=ELBO() if objective is None else objective,
            optimizer=optimizer,
            schedule=schedule,
            clip_gradient=clip_gradient,
            averaging=averaging,
            epochs=epochs,
            batch_size=batch_size,
            validation=None if validation is None else as_data(validation),
            amp=amp,
            compile=compile,
            device=processes.device,
            seed=seed,
            directory=where if processes.is_first else None,
            checkpoint_seconds=checkpoint_seconds,
            callbacks=callbacks,
            progress=progress and processes.is_first,
            record=dict(record or {}),
            processes=processes,
        )
        with located(learner, where):
            anew = resume and begins_anew(processes, where, told=progress)
            return learner.learn(resume=resume and not anew)
