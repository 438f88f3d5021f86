"""Guides that are built by looking at a model: amortised over the data, of many families."""

from dgmppl.guides.amortized import Amortized, amortized
from dgmppl.guides.auxiliary import Auxiliary
from dgmppl.guides.basis import Orthogonal, Reflected, Triangular
from dgmppl.guides.beside import Beside
from dgmppl.guides.coupling import Coupling
from dgmppl.guides.diagonal import Diagonal
from dgmppl.guides.family import Family
from dgmppl.guides.full import Full
from dgmppl.guides.householder import Householder
from dgmppl.guides.inverse_autoregressive import InverseAutoregressive
from dgmppl.guides.iterative import Iterative
from dgmppl.guides.low_rank import LowRank
from dgmppl.guides.mixture import Mixture
from dgmppl.guides.order import Autoregressive, BottomUp, Order, TopDown
from dgmppl.guides.planar import Planar
from dgmppl.guides.semi_amortized import SemiAmortized
from dgmppl.guides.spline import Spline
from dgmppl.guides.sylvester import Sylvester

__all__ = [
    "Amortized",
    "Autoregressive",
    "Auxiliary",
    "Beside",
    "BottomUp",
    "Coupling",
    "Diagonal",
    "Family",
    "Full",
    "Householder",
    "InverseAutoregressive",
    "Iterative",
    "LowRank",
    "Mixture",
    "Order",
    "Orthogonal",
    "Planar",
    "Reflected",
    "SemiAmortized",
    "Spline",
    "Sylvester",
    "TopDown",
    "Triangular",
    "amortized",
]
