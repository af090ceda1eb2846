"""The model card: a page beside the weights, of what they are, how they came about, and how they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import UsageError, escaped
from ...evaluation.registry import metric_title, score_text
from ...files import special
from ..preparation import Preparation, preparation
from .formats import Format
from .preparing import numpy_code, opens, picture_code, torchvision_code
from .subject import Subject

__all__ = ["Card", "card_of", "check_card"]

OWN = """\
The network is none of a plain library: graphssl, which has to be installed, makes it from the run's graph by
`graphssl.compile(...).features(...)`, a torch module that takes the file's weights.
"""
MARK = "<!-- graphssl: model card -->"


@dataclass(frozen=True)
class Card:
    """What a card is of. code: Python that loads the file, which lies beside it. own: no library but graphssl makes the
    network. outputs: of a program, by name."""

    subject: Subject
    form: Format
    output: Path
    code: Sequence[str]
    own: bool
    outputs: Sequence[str]


def check_card(path: Path) -> None:
    """Raises UsageError for a file of the user's own that a card would replace."""
    if found := special(path):
        raise UsageError(f"{path}, where the model card would be, is {found}: give the weights another name")
    if path.is_file() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise UsageError(f"{path}, where the model card would be, is there and is none: give the weights another name")


def card_of(card: Card) -> str:
    """The page, Markdown."""
    subject = card.subject
    title = f"`{subject.name}` of the run `{subject.folder.name}`"
    prepared = preparation(subject.checked, subject.name)
    parts = [
        f"{MARK}\n# {title}\n",
        *_what(card),
        *_training(subject),
        *_figures(subject),
        "## Loading\n\nIn the folder of this file:\n\n```python\n" + "\n".join(card.code) + "\n```\n",
        *([OWN] if card.own else []),
        *(_use(card, prepared) if prepared else ()),
        "## The graph\n\nAll of the training, merged and with defaults:\n\n```yaml\n"
        + subject.folder.graph.read_text(encoding="utf-8").rstrip() + "\n```\n",
    ]  # fmt: skip
    return escaped("\n".join(parts), keep="\n\t")


def _what(card: Card) -> Iterator[str]:
    subject = card.subject
    graph, node = subject.checked.graph, subject.checked.graph.nodes.get(subject.name)
    x = subject.input(1) if card.form.program or subject.checked.image_size(subject.name) else None
    of = f"`{node.component.name}`" if node is not None else f"`{subject.name}`, a value of the flow"
    rows = [
        ("method", f"`{graph.name}`" + (f": {graph.spec.description}" if graph.spec.description else "")),
        ("network", of),
        ("file", f"`{card.output.name}`: {card.form.says}"),
        ("values", f"{sum(v.numel() for v in subject.module.state_dict().values()):,}"),
    ]
    if x is not None:
        rows.append(("takes", f"`{_shape(x)}`, float32"))
        with torch.inference_mode():
            given = subject.outputs(subject.module(x))
        rows.append(("gives", ", ".join(f"{name} `{_shape(value)}`" for name, value in given.items())))
    yield _table(("", ""), rows)


def _shape(x: torch.Tensor) -> str:
    return " x ".join(["b", *map(str, x.shape[1:])])


def _training(subject: Subject) -> Iterator[str]:
    spec, step = subject.checked.graph.spec, subject.step
    seen = step * spec.data.batch * spec.train.accumulate
    facts = subject.folder.facts()
    rows = [
        ("data", f"`{spec.data.use}`" + (f", `{spec.data.root}`" if spec.data.root else "")),
        ("optimizer steps", f"{step:,}" + (f" ({facts['status']})" if "status" in facts else "")),
        ("images seen", f"{seen:,}, {spec.data.batch * spec.train.accumulate} a step"),
        ("optimizer", f"`{spec.train.optimizer.use}`"),
        ("labels", "used in training" if "label" in subject.checked.graph.batch else "not used in training"),
    ]
    yield "## Training\n\n" + _table(("", ""), rows)


def _figures(subject: Subject) -> Iterator[str]:
    """The run's own evaluations, of what it evaluates."""
    scores = subject.folder.facts().get("scores") or {}
    rows = []
    for metric, by_epoch in scores.items():
        epochs = sorted(map(int, by_epoch))
        first, last = (score_text(metric, float(by_epoch[str(epoch)])) for epoch in (epochs[0], epochs[-1]))
        before = first if epochs[0] == 0 and len(epochs) > 1 else ""
        rows.append((metric_title(metric, quantity=True), before, last, str(epochs[-1])))
    of = f"of `{subject.checked.features}`, on the data set's held-out split"
    text = _table(("", "before training", "after", "epoch"), rows) if rows else "No evaluation is noted.\n"
    yield f"## Figures\n\n{of[0].upper()}{of[1:]}.\n\n{text}"


def _use(card: Card, prepared: Preparation) -> Iterator[str]:
    colour = {3: "RGB", 1: "grey"}.get(prepared.channels, f"{prepared.channels} channels")
    colour = colour if opens(prepared) else f"{prepared.channels} channels of {prepared.form.dtype}"
    turned = "turned as their EXIF says, " if prepared.form.upright else ""
    if card.form.name == "onnx":
        code = [*numpy_code(prepared), picture_code(prepared), "x = prepare(picture)[None]",
                "features = session.run(None, {'image': x})[0]"]  # fmt: skip
    else:
        code = [*torchvision_code(prepared), picture_code(prepared), "x = prepare(picture)[None]",
                "with torch.inference_mode():", "    features = model(x)"]  # fmt: skip
    yield (
        f"## Preprocessing\n\nPictures in {colour}, {turned}values 0 to 1, {prepared.sizes()}; minus the mean "
        f"{_numbers(prepared.mean)}, over the deviation {_numbers(prepared.std)}. After the lines above:\n\n"
        "```python\n" + "\n".join(code) + "\n```\n"
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(map(str, values))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return (
        "\n".join("| " + " | ".join(escaped(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
    )
