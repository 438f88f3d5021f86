"""Bijections that Pyro lacks, or has with shapes that depend on values."""

from dgmppl.transforms.additive_coupling import AdditiveCoupling
from dgmppl.transforms.rational_quadratic import RationalQuadratic

__all__ = ["AdditiveCoupling", "RationalQuadratic"]
