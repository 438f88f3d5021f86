"""Pictures of programs and of what they learned; each function returns a matplotlib figure."""

from dgmppl.pictures.critic_surface import critic_surface
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.graph import graph
from dgmppl.pictures.imputations import imputations
from dgmppl.pictures.interpolation import interpolation
from dgmppl.pictures.k_hat import k_hat
from dgmppl.pictures.kl_per_unit import kl_per_unit
from dgmppl.pictures.latent_scatter import latent_scatter
from dgmppl.pictures.losses import losses
from dgmppl.pictures.over_training import over_training
from dgmppl.pictures.rank_histograms import rank_histograms
from dgmppl.pictures.reconstructions import reconstructions
from dgmppl.pictures.render import render
from dgmppl.pictures.samples import samples
from dgmppl.pictures.traversal import traversal

__all__ = [
    "PictureError",
    "critic_surface",
    "graph",
    "imputations",
    "interpolation",
    "k_hat",
    "kl_per_unit",
    "latent_scatter",
    "losses",
    "over_training",
    "rank_histograms",
    "reconstructions",
    "render",
    "samples",
    "traversal",
]
