"""Networks that PyTorch lacks."""

from dgmppl.networks.any_order import AnyOrder
from dgmppl.networks.causal_attention import CausalAttention
from dgmppl.networks.causal_conv import CausalConv1d
from dgmppl.networks.diagonal_lstm import DiagonalBiLSTM
from dgmppl.networks.fill import Fill, FillBesideMask
from dgmppl.networks.flatten_batch import flatten_batch
from dgmppl.networks.gated_conv import GatedConv2d
from dgmppl.networks.gated_pixels import GatedPixels
from dgmppl.networks.masked_conv import MaskedConv2d
from dgmppl.networks.masked_mlp import MaskedMLP
from dgmppl.networks.masked_pixels import MaskedBlock, MaskedPixels
from dgmppl.networks.moving_codebook import MovingCodebook
from dgmppl.networks.next_token import NextToken
from dgmppl.networks.places import Places
from dgmppl.networks.recurrent import Recurrent
from dgmppl.networks.remembers import Remembers, remembering
from dgmppl.networks.row_lstm import RowLSTM
from dgmppl.networks.rows_above import RowsAbove
from dgmppl.networks.wave_stack import WaveStack

__all__ = [
    "AnyOrder",
    "CausalAttention",
    "CausalConv1d",
    "DiagonalBiLSTM",
    "Fill",
    "FillBesideMask",
    "GatedConv2d",
    "GatedPixels",
    "MaskedBlock",
    "MaskedConv2d",
    "MaskedMLP",
    "MaskedPixels",
    "MovingCodebook",
    "NextToken",
    "Places",
    "Recurrent",
    "Remembers",
    "RowLSTM",
    "RowsAbove",
    "WaveStack",
    "flatten_batch",
    "remembering",
]
