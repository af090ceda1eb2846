"""The command line. Nothing slow is imported before a command needs it."""

from __future__ import annotations

from .commands import app, main

__all__ = ["app", "main"]
