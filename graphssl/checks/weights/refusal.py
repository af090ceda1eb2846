"""Why weights cannot be taken, in words that end up beside the graph's line."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """Weights that cannot be taken. key: which key of `weights:` it is about; hint: what would be right."""

    def __init__(self, message: str, hint: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.key = message, hint, key
