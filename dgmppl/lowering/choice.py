"""Which backends a run's phases are compiled by."""

from __future__ import annotations

from typing import Literal

from dgmppl.lowering.backends import Backend, Inductor, Plain

__all__ = ["Compile", "backends_for"]

#: "auto" chooses, `True` asks for the fastest, `False` runs the program itself; or one backend.
Compile = Literal["auto"] | bool | Backend

#: Steps from which a plain graph pays: recording costs what a thousand steps save.
PLAIN_FROM = 1_000
#: Steps from which inductor pays: its build takes what some thousand steps save.
INDUCTOR_FROM = 10_000


def backends_for(compile: Compile, steps: int) -> tuple[Backend, ...]:
    """What to try, in this order; nothing to run the program itself.

    The choice depends on the settings only, never on the clock: a run that is done again takes the
    same one, and so ends with the same bits. Both a build and what it saves in a step grow with the
    number of operations, so that the steps alone decide.

    Arguments:
        compile: What was asked for.
        steps: How many the whole run takes.

    Example:
        >>> [str(backend) for backend in backends_for("auto", steps=50_000)]
        ['inductor', 'a plain graph']
        >>> backends_for("auto", steps=100)
        ()
    """
    if isinstance(compile, Backend):
        return (compile,)
    if compile == "auto":
        chosen = (Inductor(), Plain()) if steps >= INDUCTOR_FROM else (Plain(),)
        return chosen if steps >= PLAIN_FROM else ()
    if not isinstance(compile, bool):
        raise ValueError(f"Expected compile='auto', True, False or a backend, got {compile!r}.")
    return (Inductor(), Plain()) if compile else ()
