"""The command `dgmppl`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["app", "main"]

app = typer.Typer(
    name="dgmppl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Deep generative models as probabilistic programs: learn, score, draw and inspect them.\n\n"
        "A typical session:\n\n"
        "  dgmppl list\n\n"
        "  dgmppl fit vae --set program.z_dim=20 epochs=50\n\n"
        "  dgmppl evaluate runs/vae\n\n"
        "  dgmppl inspect runs/vae\n\n"
        "RECIPE is a name from `dgmppl list`, or the path of a Python file (FILE.py or "
        "FILE.py:NAME)."
    ),
)

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's name, or FILE.py[:NAME].")
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]
RunDirectories = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")
]
Data = Annotated[
    str | None, typer.Option(help="Named data set, or an .npz/.npy file, in place of the recipe's.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE...",
        help=(
            "Exchange parts of the recipe: "
            "--set program.z_dim=20 'objective=IWAE(num_particles=50)' epochs=5"
        ),
    ),
]
Seed = Annotated[int, typer.Option(help="Seeds parameters, data order and draws.", min=0)]
Particles = Annotated[int, typer.Option("--particles", "-k", help="Draws a datum, K.", min=1)]
Annealing = Annotated[
    int,
    typer.Option(
        help="Steps of annealed importance sampling: for log Z of energies, or in a guide's place.",
        min=0,
    ),
]
Number = Annotated[
    int | None, typer.Option("--number", "-n", help="How many held-out data (all).", min=1)
]

# everything after --set that holds a "=" is an override, too
MORE = {"allow_extra_args": True}


def _show(*parts: Any) -> None:
    """Prints tables, and texts as they are."""
    console = Console()
    for part in parts:
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))


def _overrides(context: typer.Context, given: list[str] | None) -> list[str]:
    stray = [text for text in context.args if "=" not in text]
    if stray:
        raise typer.BadParameter(f"Unexpected argument '{stray[0]}'. Try --help.")
    if context.args and not given:
        raise typer.BadParameter(f"Expected --set before '{context.args[0]}'.")
    return [*(given or []), *context.args]


@app.command("list")
def list_recipes() -> None:
    """Every recipe: what it is, its program and its objective."""
    from dgmppl.recipes import find_recipes

    table = Table(title="Recipes", title_justify="left")
    for heading in ("name", "about", "program", "objective"):
        table.add_column(heading)
    for name, recipe in find_recipes().items():
        program = getattr(recipe.program, "func", recipe.program).__name__
        table.add_row(name, recipe.about, program, Text(str(recipe.objective)))
    _show(table)


@app.command(context_settings=MORE)
def describe(
    context: typer.Context,
    recipe: RecipeName,
    data: Data = None,
    set: Set = None,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Every guide × objective × estimator, or why not.")
    ] = False,
) -> None:
    """The sites of a program, their kinds, and what each objective would need."""
    from dgmppl.data import as_data, batches
    from dgmppl.description import describe as look
    from dgmppl.matrix import matrix as cross
    from dgmppl.workspace import resolve

    chosen = resolve(recipe, data, _overrides(context, set))
    train = as_data(chosen.data(split="train"))
    program = chosen.build(train)
    x = next(iter(batches(train, chosen.batch_size))).x
    _show(cross(program, x) if matrix else look(program, x))
    _show(f"Objective of the recipe: {chosen.objective}")


@app.command(context_settings=MORE)
def fit(
    context: typer.Context,
    recipe: RecipeName,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Where the run goes (runs/RECIPE).")
    ] = None,
    data: Data = None,
    set: Set = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", min=0)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Data a step.", min=1)] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    validation: Annotated[float, typer.Option(help="Share of the training data held out.")] = 0.0,
    amp: Annotated[str, typer.Option(help="Mixed precision: none, bfloat16, float16.")] = "none",
    compile: Annotated[
        str, typer.Option(help="Steps as recorded graphs: auto, no, yes, graph, inductor.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --directory.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Learn a recipe. Interrupt it with Ctrl-C and go on with --resume: nothing is lost."""
    from dgmppl.commands.learn import COMPILE, PRECISIONS, learn
    from dgmppl.workspace import fresh_directory

    overrides = _overrides(context, set)
    overrides += [f"epochs={epochs}"] if epochs is not None else []
    overrides += [f"batch_size={batch_size}"] if batch_size is not None else []
    if amp not in PRECISIONS:
        raise ValueError(f"Expected --amp one of {list(PRECISIONS)}, got '{amp}'.")
    if compile not in COMPILE:
        raise ValueError(f"Expected --compile one of {list(COMPILE)}, got '{compile}'.")
    if resume and directory is None:
        raise ValueError("Expected --directory with --resume. Try --directory runs/NAME.")
    where = directory or fresh_directory(recipe)
    run = learn(
        recipe,
        where,
        data=data,
        overrides=overrides,
        seed=seed,
        device=device,
        resume=resume,
        validation=validation,
        amp=amp,
        compile=compile,
        progress=not quiet,
    )
    if run.directory is None:  # another process has it, and tells
        return
    ended = f" ({run.reason})" if run.reason else ""
    _show(
        f"Learned {run.epoch} epochs in {run.seconds:.1f} s{ended}: {where}\n"
        f"Next: dgmppl evaluate {where}   dgmppl inspect {where}",
    )


@app.command()
def generate(
    run: RunDirectory,
    number: Annotated[int, typer.Option("--number", "-n", help="How many.", min=1)] = 64,
    output: Annotated[Path | None, typer.Option(help="An .npz file (RUN/samples.npz).")] = None,
    seed: Seed = 0,
) -> None:
    """Draw from a learned program's prior, into an .npz file and a picture."""
    from dgmppl.commands.inspect import save_samples
    from dgmppl.workspace import load_run

    for line in save_samples(load_run(run), number, output or run / "samples.npz", seed):
        _show(line)


@app.command()
def evaluate(
    runs: RunDirectories,
    particles: Particles = 500,
    number: Number = None,
    seed: Seed = 0,
    annealing: Annealing = 0,
    chains: Annotated[int, typer.Option(help="Of annealing, for each datum or log Z.", min=2)] = 16,
) -> None:
    """The evidence log p(x) on held-out data, with its standard error and its kind."""
    from dgmppl import evaluation
    from dgmppl.commands.evaluate import evaluate as score

    chosen = evaluation.Annealing(steps=annealing, chains=chains) if annealing else None
    _show(score(runs, num_particles=particles, number=number, seed=seed, annealing=chosen))


@app.command()
def inspect(
    run: RunDirectory,
    number: Annotated[
        int, typer.Option("--number", "-n", help="How many held-out data.", min=2)
    ] = 100,
    samples: Annotated[int, typer.Option(help="Posterior draws a datum.", min=2)] = 500,
    seed: Seed = 0,
) -> None:
    """Pictures, k-hat and active units, and posterior draws for ArviZ."""
    from dgmppl.commands.inspect import inspect as look
    from dgmppl.workspace import load_run

    for line in look(load_run(run), number=number, num_samples=samples, seed=seed):
        _show(line)


@app.command()
def compare(
    runs: RunDirectories, particles: Particles = 500, number: Number = None, seed: Seed = 0
) -> None:
    """Rank runs by evidence on the same data, with paired differences."""
    from dgmppl.commands.compare import compare as rank

    _show(rank(runs, num_particles=particles, number=number, seed=seed))


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--directory", "-d", help="Where it goes.")] = Path(
        "runs/demo"
    ),
    seed: Seed = 0,
) -> None:
    """A VAE and an IWAE on handwritten digits: learned, scored, inspected, in about a minute."""
    import shutil

    from dgmppl.commands.demo import demo as show

    if directory.name == "demo" and (directory / "vae" / "run.json").exists():
        shutil.rmtree(directory)  # its own former output
    for part in show(directory, seed=seed, progress=True):
        _show(part)


def main() -> None:
    """Runs the command; a user's mistake is one line and a cure, not a traceback."""
    try:
        app()
    except KeyboardInterrupt as error:
        if not getattr(error, "told", False):  # by another process of the same run
            Console(stderr=True).print("interrupted; go on with --resume", style="yellow")
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError, NotImplementedError) as error:
        if os.environ.get("DGMPPL_TRACEBACK"):
            raise
        if not getattr(error, "told", False):
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
