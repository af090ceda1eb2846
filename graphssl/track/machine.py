"""Facts of the machine and the software a run was made with."""

from __future__ import annotations

import getpass
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from ..console import COMMAND, cores

PACKAGES = ("graphssl", "torch", "torchvision", "mlflow", "numpy")


def system_facts(folder: Path | None = None) -> dict[str, str]:
    """Tags: versions, machine, command line, commit of the working folder, or else of `folder`. What is not known is
    left out."""
    facts = {
        "system.python": platform.python_version(),
        **{f"system.{name}": version for name in PACKAGES if (version := _version(name))},
        "system.os": platform.platform(),
        "system.cpu": _cpu(),
        "system.cpu_cores": str(cores()),
        "system.gpu": ", ".join(_gpus()),
        "system.host": platform.node(),
        "system.command": os.environ.get(COMMAND) or shlex.join(sys.argv),
        "mlflow.source.name": _program(),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
        **(_git(Path()) or (_git(folder) if folder is not None else {})),
    }
    return {name: value for name, value in facts.items() if value}


def _program() -> str:
    """What was started: the command, or a script."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    return "graphssl" if name == "__main__.py" else name


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Of a process that uses CUDA; asking another would start CUDA in it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry for the user id, as in some containers
        return ""


def _git(folder: Path) -> dict[str, str]:
    commit = _git_says(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git_says(folder, "status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "system.git_changed": "" if changed is None else str(bool(changed))}


def _git_says(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
