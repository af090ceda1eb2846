"""What a set of pictures is like, found by looking at them: sizes, channels, classes, mean and std."""

from __future__ import annotations

from .find import section_of
from .look import Survey, survey
from .proposal import proposal

__all__ = ["Survey", "proposal", "section_of", "survey"]
