"""The gallery: one file a system."""

import pkgutil

__all__ = ["modules"]


def modules() -> list[str]:
    """The names of the gallery's files."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
