"""What the tests of commands are handed to type with."""

from __future__ import annotations

from collections.abc import Callable

Type = Callable[..., str]  # typed("check", "my_byol.yaml", code=0): what the command prints
