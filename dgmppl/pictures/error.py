"""What is raised where a picture does not apply."""

from __future__ import annotations

__all__ = ["PictureError"]


class PictureError(ValueError):
    """A picture that this program or these data cannot have; the message says why."""
