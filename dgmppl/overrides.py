"""Exchange parts of a recipe from text: `objective.num_particles=50`."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dgmppl import adversarial, guides, objectives, schedules
from dgmppl.data import deletion, pixels

__all__ = ["OverrideError", "apply_overrides"]

OPTIMIZERS = ("Adam", "AdamW", "SGD", "RMSprop", "Adamax")
LEARNING_RATES = (
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "StepLR",
)


class OverrideError(ValueError):
    """An override that names nothing, or gives a value of the wrong type."""


def apply_overrides(recipe: Any, overrides: Iterable[str]) -> Any:
    """A recipe with parts exchanged.

    A path goes through the fields of dataclasses, the arguments of callables and the keys of
    mappings; a value is a
    Python literal, or a call of an objective, estimator, guide's family, schedule, pixel treatment,
    optimizer or learning-rate schedule.

    Arguments:
        recipe: The recipe.
        overrides: Texts `path=value`.

    Raises:
        OverrideError: If a path leads nowhere, or a value is of the wrong type.

    Example:
        >>> from dgmppl.recipes import Recipe
        >>> from dgmppl.models.vae import VAE
        >>> recipe = Recipe(program=VAE)
        >>> recipe = apply_overrides(recipe, ["program.z_dim=20", "objective=IWAE(5)"])
        >>> recipe.program.keywords, recipe.objective.num_particles
        ({'z_dim': 20}, 5)
    """
    for text in overrides:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise OverrideError(f"Expected path=value, got '{text}'. Try program.z_dim=20.")
        recipe = _exchange(recipe, path.strip().split("."), value.strip(), text)
    return recipe


def _exchange(part: Any, path: list[str], value: str, text: str) -> Any:
    """A copy of a dataclass, callable or mapping with what lies at the path exchanged."""
    name, *rest = path
    known = _known(part)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"'{close[0]}'" if close else f"one of {sorted(known)}"
        raise OverrideError(f"'{text}': {_name(part)} has no '{name}'. Try {hint}.")
    current, annotation = known[name]
    if rest:
        new = _exchange(current, rest, value, text)
    else:
        new = _checked(_value(value, annotation), annotation, text)
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return dataclasses.replace(part, **{name: new})
    if isinstance(part, Mapping):
        return {**part, name: new}
    if isinstance(part, functools.partial):
        return functools.partial(part.func, *part.args, **{**part.keywords, name: new})
    return functools.partial(part, **{name: new})


def _known(part: Any) -> dict[str, tuple[Any, Any]]:
    """Field, argument or key → present value and annotation."""
    if isinstance(part, Mapping):
        return {name: (value, Any) for name, value in part.items()}
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        hints = typing.get_type_hints(type(part))
        fields = (f for f in dataclasses.fields(part) if f.init)
        return {f.name: (getattr(part, f.name), hints.get(f.name, Any)) for f in fields}
    if not callable(part):
        return {}
    fn = part.func if isinstance(part, functools.partial) else part
    given = part.keywords if isinstance(part, functools.partial) else {}
    try:
        hints = typing.get_type_hints(vars(fn)["__init__"] if isinstance(fn, type) else fn)
    except (NameError, TypeError, AttributeError, KeyError):
        hints = {}
    known = {}
    for name, parameter in inspect.signature(fn).parameters.items():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            default = None if parameter.default is parameter.empty else parameter.default
            annotation = hints.get(name, Any)
            known[name] = (given.get(name, default), annotation)
    return known


def _name(part: Any) -> str:
    part = part.func if isinstance(part, functools.partial) else part
    return getattr(part, "__name__", type(part).__name__)


def _value(text: str, annotation: Any) -> Any:
    """A literal, a call of a known name, or the text itself where a text is wanted."""
    try:
        return _evaluate(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError) as error:
        if isinstance(error, OverrideError):
            raise
        return text


def _evaluate(node: ast.expr) -> Any:
    """Evaluates literals and calls of `_names()`, and nothing else."""
    if isinstance(node, ast.Call):
        fn = _lookup(node.func)
        positional = [_evaluate(argument) for argument in node.args]
        named = {k.arg: _evaluate(k.value) for k in node.keywords if k.arg is not None}
        if isinstance(fn, type) and issubclass(fn, (Optimizer, LRScheduler)):
            return functools.partial(fn, **named)  # what it takes first comes later
        try:
            return fn(*positional, **named)
        except TypeError as error:
            raise OverrideError(f"{ast.unparse(node)}: {error}.") from error
    if isinstance(node, ast.Dict):
        keys = [_evaluate(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_evaluate, node.values), strict=True))
    return ast.literal_eval(node)


def _lookup(node: ast.expr) -> Any:
    names = _names()
    name = ast.unparse(node)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3)
        raise OverrideError(f"Unknown name '{name}'. Try {close or sorted(names)}.")
    return names[name]


def _names() -> Mapping[str, Callable[..., Any]]:
    """What may be called in a value."""
    learning = {n: getattr(torch.optim, n) for n in OPTIMIZERS}
    learning |= {n: getattr(torch.optim.lr_scheduler, n) for n in LEARNING_RATES}
    modules = (adversarial, guides, objectives, schedules, pixels, deletion)
    return learning | {
        name: value
        for module in modules
        for name in module.__all__
        if isinstance(value := getattr(module, name), type)
    }


def _checked(value: Any, annotation: Any, text: str) -> Any:
    if not _fits(value, annotation):
        wanted = getattr(annotation, "__name__", str(annotation))
        raise OverrideError(
            f"'{text}': expected {wanted}, got {value!r} ({type(value).__name__}). Try a value of "
            "that type."
        )
    return float(value) if annotation is float else value


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value may stand where an annotation is."""
    if annotation is Any or isinstance(annotation, typing.TypeVar | str):
        return True
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(annotation))
    plain = origin or annotation
    if plain is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if plain is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if plain is type(None) or plain is None:
        return value is None
    try:
        return isinstance(value, plain)
    except TypeError:
        return True
