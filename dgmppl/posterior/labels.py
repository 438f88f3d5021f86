"""Named dimensions and coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from dgmppl.posterior.columns import Columns
from dgmppl.posterior.source import Source

__all__ = ["Labels"]

RESERVED = ("chain", "draw")


@dataclass
class Labels:
    """How the variables' dimensions and their entries are called.

    Arguments:
        dims: Site → names of its event dimensions; others are called `{site}_dim_0`, ….
        coords: Dimension → labels of its entries.
        plates: Plate → dimension: the data plate is "data", others keep their names.
        rows: Dimension → the rows of its plate.
    """

    dims: Mapping[str, Sequence[str]]
    coords: Mapping[str, Any]
    plates: dict[str, str] = field(default_factory=dict)
    rows: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        source: Source,
        dims: Mapping[str, Sequence[str]] | None,
        coords: Mapping[str, Any] | None,
    ) -> Labels:
        """The labels for a program's sites.

        Raises:
            ValueError: If `dims` names a site that the program does not have.
        """
        names = [*source.binding.sites, *source.deterministic]
        unknown = [name for name in dims or {} if name not in names]
        if unknown:
            raise ValueError(f"Expected dims for sites of {names}, got '{unknown[0]}'.")
        data = "data" if "data" not in names else "data_dim"
        renamed = {name: name for name in source.rows}
        if source.binding.data_plate is not None:
            renamed[source.binding.data_plate] = data
        rows = {renamed[n]: v.cpu().numpy() for n, v in source.rows.items() if v.dim() == 1}
        return cls(dims or {}, coords or {}, renamed, rows)

    def dataset(self, columns: Columns, chains: int = 1) -> xr.Dataset:
        """A group of draws, chain after chain, each variable `(chain, draw, data, plates, event)`.

        Arguments:
            columns: The draws.
            chains: How many chains they are of.
        """
        return self._dataset(
            {
                name: ((*RESERVED, *self._dims(name, columns)), a.reshape(chains, -1, *a.shape[1:]))
                for name, a in columns.arrays.items()
            }
        )

    def constants(self, columns: Columns) -> xr.Dataset:
        """A group without draws: the first of each variable."""
        return self._dataset({n: (self._dims(n, columns), a[0]) for n, a in columns.arrays.items()})

    def unused(self, groups: Mapping[str, xr.Dataset]) -> None:
        """Raises ValueError if coordinates were given for a dimension that no variable has."""
        used = {str(dim) for group in groups.values() for dim in group.dims}
        unknown = [dim for dim in self.coords if dim not in used]
        if unknown:
            raise ValueError(
                f"Expected coords for dimensions of {sorted(used)}, got '{unknown[0]}'. "
                "Try dims={site: [name, …]} to name a site's event dimensions."
            )

    def _dims(self, name: str, columns: Columns) -> tuple[str, ...]:
        """One variable's dimensions beside chain and draw."""
        plates = tuple(self.plates.get(plate, plate) for plate in columns.plates[name])
        if not columns.events:
            return plates
        event = columns.arrays[name].ndim - 1 - len(plates)
        given = self.dims.get(name, [f"{name}_dim_{i}" for i in range(event)])
        if isinstance(given, str) or len(given) != event:
            raise ValueError(
                f"Expected {event} names for the event dimensions of site '{name}' (shape "
                f"{columns.arrays[name].shape[1 + len(plates) :]}), got {given!r}. "
                "Plates are named by themselves."
            )
        names = (*plates, *given)
        if len({*RESERVED, *names}) < len(RESERVED) + len(names):
            raise ValueError(
                f"Expected different names for the dimensions of site '{name}', got "
                f"{[*RESERVED, *names]}. Try others in dims."
            )
        return names

    def _dataset(self, variables: dict[str, tuple[tuple[str, ...], np.ndarray]]) -> xr.Dataset:
        sizes: dict[str, int] = {}
        for name, (dims, array) in variables.items():
            for dim, size in zip(dims, array.shape, strict=True):
                if sizes.setdefault(dim, size) != size:
                    raise ValueError(
                        f"Dimension '{dim}' is {sizes[dim]} long elsewhere, but {size} at site "
                        f"'{name}'. Try another name for it in dims."
                    )
        coords = {dim: (dim, self._labels(dim, size)) for dim, size in sizes.items()}
        return xr.Dataset({n.replace("/", "."): v for n, v in variables.items()}, coords)

    def _labels(self, dim: str, size: int) -> np.ndarray:
        """The labels of a dimension's entries."""
        labels = np.asarray(self.coords.get(dim, self.rows.get(dim, np.arange(size))))
        if labels.shape != (size,):
            raise ValueError(
                f"Expected {size} coordinates for dimension '{dim}', got shape {labels.shape}."
            )
        return labels
