"""The published sets of pictures: their files, checksums and mirrors.

The checksums of the parts are those of the uncompressed original files.

References:
    Gradient-Based Learning Applied to Document Recognition, Yann LeCun et al., 1998 (MNIST).
    https://doi.org/10.1109/5.726791
    Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, Han Xiao,
    Kashif Rasul, Roland Vollgraf, 2017. https://arxiv.org/abs/1708.07747
    Human-Level Concept Learning through Probabilistic Program Induction, Brenden Lake, Ruslan
    Salakhutdinov, Joshua Tenenbaum, 2015 (Omniglot). https://doi.org/10.1126/science.aab3050
    Global Coordination of Local Linear Models, Sam Roweis, Lawrence Saul, Geoffrey Hinton, 2001
    (Frey faces). https://papers.nips.cc/paper/2082-global-coordination-of-local-linear-models
"""

from __future__ import annotations

from collections.abc import Mapping

from dgmppl.data.download import Part
from dgmppl.data.fetch import Published

__all__ = ["FASHION_MNIST", "FREY_FACES", "MNIST", "OMNIGLOT"]


def _idx(mirrors: tuple[str, ...], checksums: Mapping[str, str]) -> dict[str, Part]:
    """The parts of a set in the four files of the MNIST format."""
    files = {
        "train_images": "train-images-idx3-ubyte.gz",
        "train_labels": "train-labels-idx1-ubyte.gz",
        "test_images": "t10k-images-idx3-ubyte.gz",
        "test_labels": "t10k-labels-idx1-ubyte.gz",
    }
    return {
        name: Part(tuple(mirror + file for mirror in mirrors), checksums[name])
        for name, file in files.items()
    }


_LIKE_MNIST = {
    "train_images": "(60000, 28, 28) uint8",
    "train_labels": "(60000,) uint8",
    "test_images": "(10000, 28, 28) uint8",
    "test_labels": "(10000,) uint8",
}

MNIST = Published(
    "mnist",
    _LIKE_MNIST,
    sha256="39b9b1ffaa0ba4d8995a616551f0966941fe02a3fe79ba4a9db7373db16d53ad",
    origin="https://yann.lecun.com/exdb/mnist/",
    parts=_idx(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
)

FASHION_MNIST = Published(
    "fashion_mnist",
    _LIKE_MNIST,
    sha256="0b8ff0e3b709c3fd455824f1614f38914bdc7bc07a0eeb7d70ca917322511f1d",
    origin="https://github.com/zalandoresearch/fashion-mnist",
    parts=_idx(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        {
            "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
)

OMNIGLOT = Published(
    "omniglot",
    {
        "images": "(32460, 28, 28) uint8, white strokes on black",
        "drawer": "(32460,) uint8, 0 to 19",
        "character": "(32460,) uint16, 0 to 1622",
    },
    sha256="6ef5ea28409b2b5283b52a9cde5df6af431eb43dfda3b0ed363ad75c74c9da7b",
    origin="https://github.com/brendenlake/omniglot (105x105, averaged down to 28x28)",
)

FREY_FACES = Published(
    "frey_faces",
    {"images": "(1965, 28, 20) uint8, in the order of the video"},
    sha256="3c70375e0a9c4751ad49ad5f1f692bd094c46f133cf4aa8ea77d1cb14e1efcd1",
    origin="https://github.com/jmtomczak/vae_vampprior (datasets/Freyfaces)",
)
