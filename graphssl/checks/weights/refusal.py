"""Why weights cannot be taken, in words that end up beside the graph's line."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """Weights that cannot be taken. key: which key of `weights:` it is about; hint: what would be right.

    absent: whether nothing is there at all, which may come to be there.
    """

    def __init__(self, message: str, hint: str | None = None, key: str | None = None, *, absent: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.key, self.absent = message, hint, key, absent
