"""The command line: the commands, and what they print. Nothing slow is imported before a command needs it."""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
