"""graphssl, which ends itself with -9 in the middle of a checkpoint's write: `torn.py WRITE SHARE WORDS...`.

WRITE: which write of the process, from 1. SHARE: how much of the file is there by then, 0 to 1; above 1 all of it, but
not under its name yet; above 2 under its name, and the older ones not yet removed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import torch

write, share = int(sys.argv[1]), float(sys.argv[2])
size = 0  # bytes of the checkpoint before; those of one run are alike
count = 0
save, replace = torch.save, os.replace


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Torn:
    """A file that ends the process once it has so many bytes."""

    def __init__(self, file: Any) -> None:
        self._file, self.written = file, 0

    def write(self, content: Any) -> int:
        global size
        self.written += len(content)
        size = max(size, self.written)
        if count == write and self.written >= share * size and share <= 1:
            self._file.flush()
            end()
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def torn_save(content: Any, file: Any) -> None:
    global count
    count += 1
    save(content, Torn(file) if hasattr(file, "write") else file)


def torn_replace(source: Any, target: Any, **given: Any) -> None:
    due = count == write and str(target).endswith(".pt")
    if due and 1 < share <= 2:
        end()
    replace(source, target, **given)
    if due and share > 2:
        end()


if __name__ == "__main__":
    torch.save, os.replace = torn_save, torn_replace
    sys.argv = ["graphssl", *sys.argv[3:]]
    from graphssl.cli import main

    main()
