"""A node as a program that needs none of its code: torch.export's and ONNX, for batches of any size."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import RunError, reason_of
from .subject import Subject
from .twins import check_close

__all__ = ["write_onnx", "write_torch_export"]

LARGEST = 2**31 - 2**20  # bytes of an ONNX file, by its own format
BATCHES = (2, 1, 5)  # with the first it is traced, and the others try that any will do


class Plain(nn.Module):
    """A subject whose several outputs are a plain tuple, in their order."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        node = subject.checked.graph.nodes.get(subject.name)
        average = node is not None and "average" in node.component.traits
        # An average copies scheduled values as it runs, which is no part of what it computes.
        self.module = nn.Sequential(*subject.module.children()) if average else subject.module
        self.subject = (subject,)

    def forward(self, x: Tensor) -> Any:
        value = self.module(x)
        return value if isinstance(value, Tensor) else tuple(self.subject[0].outputs(value).values())


def write_torch_export(subject: Subject, path: Path, facts: Mapping[str, str]) -> list[str]:
    """Writes the program for torch.export.load; the names of its outputs."""
    program, names = _traced(subject)
    notes = {"graphssl.txt": "\n".join(f"{key}: {value}" for key, value in facts.items())}
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files=notes)
    with path.open("rb") as file:
        loaded = torch.export.load(file).module()
    for b in BATCHES:
        x = subject.input(b)
        with torch.no_grad():
            given = loaded(x)
        _compare(subject, "the program", x, [given] if isinstance(given, Tensor) else list(given))
    return names


def write_onnx(subject: Subject, path: Path, facts: Mapping[str, str]) -> list[str]:
    """Writes the program as ONNX, one file; the names of its outputs. It is compared where onnxruntime is there."""
    size = sum(value.nbytes for value in subject.module.state_dict().values())
    if size > LARGEST:
        raise RunError(f"'{subject.name}' has {size / 1e9:.1f} GB of weights, and an ONNX file holds 2 GB at most")
    program, names = _traced(subject)
    try:
        with _quiet():
            made = torch.onnx.export(program, dynamo=True, input_names=["image" if _takes_images(subject) else "x"],
                                     output_names=names, verbose=False)  # fmt: skip
            assert made is not None
            made.model.metadata_props.update(facts)
            made.save(path, external_data=False)
    except Exception as error:
        raise RunError(f"'{subject.name}' cannot be written as ONNX: {reason_of(error)}") from error
    _try_onnx(subject, path)
    return names


def _takes_images(subject: Subject) -> bool:
    return subject.checked.image_size(subject.name) is not None


def _try_onnx(subject: Subject, path: Path) -> None:
    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for b in BATCHES:
        x = subject.input(b)
        given = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        _compare(subject, "the ONNX program", x, [torch.from_numpy(value) for value in given])


def _compare(subject: Subject, what: str, x: Tensor, given: list[Tensor]) -> None:
    with torch.no_grad():
        ours = subject.outputs(subject.module(x))
    for theirs, own in zip(given, ours.values(), strict=True):
        check_close(subject, what, theirs, own)


def _traced(subject: Subject) -> tuple[torch.export.ExportedProgram, list[str]]:
    """The program, and the names of its outputs. Code that torch does not follow alone it follows by its bytecode."""
    x = subject.input(BATCHES[0])
    with torch.no_grad():
        names = list(subject.outputs(subject.module(x)))
    shapes = ({0: torch.export.Dim("batch")},)
    plain, failure = Plain(subject).eval(), None
    for strict in (False, True):
        try:
            with _quiet(), torch.no_grad():
                return torch.export.export(plain, (x,), dynamic_shapes=shapes, strict=strict), names
        except Exception as error:  # it raises what it likes for code that it does not follow
            failure = failure or error
    assert failure is not None
    raise RunError(
        f"'{subject.name}' cannot be written as a program for batches of any size: {reason_of(failure)}"
    ) from failure


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' own notes."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(before)
