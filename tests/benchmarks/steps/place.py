"""Where contenders compute: the CPU, or what BENCH_DEVICE names."""

from __future__ import annotations

import os

import torch

__all__ = ["DEVICE", "ON_GPU"]

DEVICE = torch.device(os.environ.get("BENCH_DEVICE", "cpu"))
ON_GPU = DEVICE.type == "cuda"
