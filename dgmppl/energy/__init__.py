"""Programs written as an energy: unit layers."""

from dgmppl.energy.units import Binary

__all__ = ["Binary"]
