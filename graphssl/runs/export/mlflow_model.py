"""A node of a run as a model of MLflow's: its weights, the graph, the user's code, and what MLflow says of models."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import torch
from torch import nn

from ...checks.checked import Checked
from ...evaluation.embedding import pooled
from ...graph.language.dump import dump
from ..features.model import ABOUT, GRAPH, WEIGHTS
from ..portable import portable
from ..preparation import preparation

__all__ = ["PACKAGES", "write_model"]

PACKAGES = ("graphssl", "torch", "torchvision")
LOADER = "graphssl.api.pyfunc"
SIDE = 16  # pixels of the picture that is an example


def write_model(checked: Checked, module: nn.Module, node: str, run: str, step: int, folder: Path) -> None:
    """Writes the model, which MLflow loads by `graphssl.api.pyfunc`, in the stead of an earlier one.

    Raises OSError where it cannot be written.
    """
    from mlflow.pyfunc import save_model

    with TemporaryDirectory(dir=folder.parent, prefix=".model-") as aside, _quiet():
        data, whole = Path(aside, "graphssl"), Path(aside, "model")
        data.mkdir()
        _write_data(checked, module, data, {"node": node, "run": run, "step": step})
        example = _example(checked, node)
        signature = _signature(checked, module, node, example)
        save_model(
            str(whole), loader_module=LOADER, data_path=str(data), signature=signature, input_example=example,
            pip_requirements=list(_requirements()), metadata={"graphssl": {"node": node, "run": run, "step": step}},
        )  # fmt: skip
        if folder.exists():
            folder.rename(Path(aside, "before"))
        whole.rename(folder)


def _write_data(checked: Checked, module: nn.Module, data: Path, about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    state = {key: value.detach().cpu().clone().contiguous() for key, value in module.state_dict().items()}
    save_file(state, data / WEIGHTS, {"format": "pt"})
    graph = portable(checked)
    components = list(_beside(graph["components"], data))
    (data / ABOUT).write_text(json.dumps({**about, "components": components}), encoding="utf-8")
    (data / GRAPH).write_text(dump({**graph, "components": components}), encoding="utf-8")


def _beside(entries: list[str], data: Path) -> Iterator[str]:
    """The user's files of components, copied beside the graph."""
    for i, entry in enumerate(entries):
        if not entry.endswith(".py"):
            yield entry
            continue
        name = f"{i}" if (data / Path(entry).name).exists() else ""
        shutil.copyfile(entry, data / f"{name}{Path(entry).name}")
        yield f"./{name}{Path(entry).name}"


def _example(checked: Checked, node: str) -> numpy.ndarray[Any, Any]:
    """A picture of noise; one of any size is taken."""
    prepared = preparation(checked, node)
    channels, dtype = (3, "uint8") if prepared is None else (prepared.channels, prepared.form.dtype)
    noise = numpy.random.default_rng(0).random((1, SIDE, SIDE, channels))
    return (noise * 255).astype(dtype)


def _signature(checked: Checked, module: nn.Module, node: str, example: numpy.ndarray[Any, Any]) -> Any:
    """Arrays `n h w c` to features `n d`. What else `predict` takes it looks at by itself, which MLflow is told."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    size = checked.image_size(node) or (SIDE, SIDE)
    device = next((value.device for value in module.state_dict().values()), torch.device("cpu"))
    was = module.training
    with torch.inference_mode():
        d = pooled(module.eval()(torch.zeros(1, checked.data.channels, *size, device=device))).shape[-1]
    module.train(was)
    found = ModelSignature(
        Schema([TensorSpec(example.dtype, (-1, -1, -1, example.shape[-1]), "image")]),
        Schema([TensorSpec(numpy.dtype("float32"), (-1, d))]),
    )
    found._is_signature_from_type_hint = True  # else MLflow refuses paths, Pillow's pictures and bytes
    return found


def _requirements() -> Iterator[str]:
    for package in PACKAGES:
        yield f"{package}=={re.sub(r'[+].*', '', metadata.version(package))}"


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow says what it does, which nobody has asked."""
    log = logging.getLogger("mlflow")
    was = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(was)
