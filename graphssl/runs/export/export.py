"""Writes a node of a run for plain libraries, whole or not at all, with the code that loads it and a model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...errors import RunError, UsageError
from ...files import replacing, writing
from ...train.checkpoint import save
from ..folder import find_run
from ..preparation import preparation
from .card import Card, card_of, check_card
from .formats import DEFAULT, Format, check_output, find_format
from .loading import loading_code, plain_twin
from .programs import write_onnx, write_torch_export
from .subject import Subject, load_subject
from .twins import Twin, renamed, twin_of, verify_twin

__all__ = ["Exported", "export_weights"]


@dataclass(frozen=True)
class Exported:
    """What is written: where, how many weights, Python that loads them, in which format, and the model card.

    values: numbers in all tensors.
    """

    output: Path
    tensors: int
    values: int
    code: str
    to: str
    card: Path


def export_weights(
    run: str, output: Path | None, node: str | None, to: str | None, sets: Sequence[str] = ()
) -> Exported:  # fmt: skip
    """Writes a run's node; see `graphssl.export`. Nothing is written where its features would not be the same."""
    form = find_format(to or DEFAULT)
    output = output or Path(f"encoder{form.ending}")
    folder = find_run(run, sets)
    check_output(output, form)
    card = output.with_suffix(".md")
    with writing(card):
        check_card(card)
    subject = load_subject(folder, node)
    state = subject.state
    if not state:
        raise UsageError(f"'{subject.name}' has no weights to write")
    twin = _twin(subject, form)
    lines = loading_code(subject, form, twin, output)
    with writing(output), replacing(card) as page, replacing(output) as file:
        names = _write(subject, form, twin, file, output)
        beside = loading_code(subject, form, twin, Path(output.name), output.parent)
        said = card_of(Card(subject, form, output, beside, twin is None and not form.program, names))
        page.write_text(said, encoding="utf-8")
    values = sum(value.numel() for value in state.values())
    return Exported(output, len(state), values, "; ".join(lines), form.name, card)


def _twin(subject: Subject, form: Format) -> Twin | None:
    if form.name in ("torchvision", "timm"):
        return twin_of(subject, form.name)
    return None if form.program else plain_twin(subject)


def _write(subject: Subject, form: Format, twin: Twin | None, file: Path, output: Path) -> list[str]:
    """Writes the file, which will be `output`; the names of what a program gives."""
    facts = _facts(subject)
    if form.name == "onnx":
        return write_onnx(subject, file, facts)
    if form.name == "torch-export":
        return write_torch_export(subject, file, facts)
    state = subject.state
    if form.name in ("torchvision", "timm"):
        assert twin is not None
        plain = subject.plain()
        state = renamed(plain.state, twin)
        verify_twin(plain, twin, state)
    if form.name == "safetensors":
        from safetensors.torch import save_file

        save_file(state, file, {"format": "pt", **facts})
    else:
        _save(file, state, output)
    return []


def _save(file: Path, state: dict[str, Tensor], output: Path) -> None:
    try:
        save(file, state)
    except RunError as error:
        raise RunError(str(error).replace(str(file), str(output))) from error


def _facts(subject: Subject) -> dict[str, str]:
    """What a file says of itself."""
    prepared = preparation(subject.checked, subject.name)
    graph = subject.checked.graph
    named = {"run": subject.folder.name, "node": subject.name, "graph": graph.name, "graph_hash": graph.hash()}
    return {f"graphssl.{key}": value for key, value in {**named, **(prepared.facts() if prepared else {})}.items()}
