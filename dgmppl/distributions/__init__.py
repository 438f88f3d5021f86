"""Distributions that Pyro lacks."""

from dgmppl.distributions.implicit import Implicit, NoDensityError

__all__ = ["Implicit", "NoDensityError"]
