"""The gallery: one file a system."""

import importlib
import pkgutil

__all__ = ["modules", "table"]


def modules() -> list[str]:
    """The names of the gallery's files."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if not name.startswith("_"))


def table() -> str:
    """The gallery as a Markdown table, one row a recipe."""
    rows = ["| recipe | program | learns by | about | file |", "|---|---|---|---|---|"]
    for name in modules():
        module = importlib.import_module(f"{__name__}.{name}")
        for recipe, settings in module.recipes.items():
            program = getattr(settings.program, "func", settings.program).__name__
            formula = str(settings.objective).replace("|", r"\|")
            link = f"[{name}.py](models/{name}.py)"
            rows.append(f"| `{recipe}` | {program} | `{formula}` | {settings.about} | {link} |")
    return "\n".join(rows)
