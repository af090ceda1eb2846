"""Memory that a step frees serves the next one."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Page faults of the tenth time that 128 MiB are taken, written and freed.
FAULTS = """
import resource
from graphssl.train.malloc import keep_freed
{}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    before = faults()
    pieces = [bytearray(b"x") * 2**24 for _ in range(8)]
    del pieces
print(faults() - before)
"""


def faults(line: str, **env: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(line)], env=env, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="another C library")
def test_freed_memory_is_not_given_back() -> None:
    given_back = faults("")
    assert faults("keep_freed()") < given_back / 10
    assert faults("keep_freed()", MALLOC_TRIM_THRESHOLD_="131072") > given_back / 2, "the user has the last word"
