"""Data: named sets, a user's own, and minibatches of either."""

from dgmppl.data.deletion import MissingCompletelyAtRandom
from dgmppl.data.fetch import DataNotFound
from dgmppl.data.furniture import FURNITURE
from dgmppl.data.held import held_on
from dgmppl.data.loaders import LoaderData
from dgmppl.data.minibatches import Batch, batches, count_batches
from dgmppl.data.missing import missing_as_nan
from dgmppl.data.named import load, names
from dgmppl.data.nested import (
    Tensors,
    batch_length,
    first_tensor,
    map_tensors,
    repeat_rows,
    to_device,
)
from dgmppl.data.part import Part
from dgmppl.data.pixels import (
    Dequantisation,
    DynamicBinarisation,
    Grey,
    Pixels,
    StaticBinarisation,
)
from dgmppl.data.some_labels import SomeLabels, shown
from dgmppl.data.sources import as_data
from dgmppl.data.stacked_pictures import stacked
from dgmppl.data.tensors import TensorData
from dgmppl.data.text import spell
from dgmppl.data.toy import grid_centres, ring_centres
from dgmppl.data.two_renderings import outlines, renderings

__all__ = [
    "FURNITURE",
    "Batch",
    "DataNotFound",
    "Dequantisation",
    "DynamicBinarisation",
    "Grey",
    "LoaderData",
    "MissingCompletelyAtRandom",
    "Part",
    "Pixels",
    "SomeLabels",
    "StaticBinarisation",
    "TensorData",
    "Tensors",
    "as_data",
    "batch_length",
    "batches",
    "count_batches",
    "first_tensor",
    "grid_centres",
    "held_on",
    "load",
    "map_tensors",
    "missing_as_nan",
    "names",
    "outlines",
    "renderings",
    "repeat_rows",
    "ring_centres",
    "shown",
    "spell",
    "stacked",
    "to_device",
]
