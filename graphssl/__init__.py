"""graphssl: self-supervised visual representation learning, one YAML graph per method.

`load`, `check`, `compile`, `run` and `embed` are what the command line is made of; they are imported when first
used, so that `graphssl --help` does not wait for torch.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import check, compile, embed, load, run

__all__ = ["check", "compile", "embed", "load", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import api

        return getattr(api, name)
    if name == "__version__":
        return metadata.version("graphssl")
    raise AttributeError(f"module 'graphssl' has no attribute '{name}'")
