"""What an evaluation is asked for by a file: a recipe, with the evaluations' options, or pictures with boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Problems, UsageError, suggest
from ..evaluation.detection.options import Boxes
from ..evaluation.registry import Evaluation
from ..graph.language.kinds import refuse_other_kind
from ..graph.language.load import load
from ..graph.language.packaged import other_kind, packaged_evaluations
from ..graph.language.source import Source
from ..graph.language.validation import validate
from ..graph.plugins import load_components
from ..graph.spec import Evaluate
from ..graph.spec.evaluate import evaluate_section
from ..graph.spec.section import Section
from .protocols import differing

__all__ = ["Asked", "read_asked"]

DETECTION = "detection"
RECIPE = "evaluate: {linear: {epochs: 50}}, say, is a recipe"


class _BoxData(Section):
    """Pictures with boxes to learn from, and to be judged on."""

    training: Boxes
    test: Boxes


@dataclass(frozen=True)
class Asked:
    """protocols: by name. changes: of the graph, which the files make, before those of the command. data: other data
    than the run's. recipes: by an evaluation's name, what its file is called, and the section that stands there. boxes:
    what a file of pictures with boxes is called."""

    protocols: list[str]
    changes: list[str] = field(default_factory=list)
    data: str | None = None
    recipes: Mapping[str, tuple[str, Evaluate]] = field(default_factory=dict)
    boxes: str | None = None

    def otherwise(self, evaluation: Evaluation, name: str, own: Evaluate) -> dict[str, Any]:
        """In what an evaluation is not as the run's own graph has it, or as its recipe does."""
        called, section = self.recipes.get(name, (None, own))
        found = differing(evaluation, name, section)
        if self.boxes is not None and name == DETECTION:
            found = {
                "on": self.boxes,
                **{key: value for key, value in found.items() if key not in _BoxData.model_fields},
            }
        return found if called is None else {"by": called, **found}


def read_asked(protocols: Sequence[str], data: str | None) -> Asked:
    """What a command asks for. protocols: names, recipes' files, and recipes that come with graphssl by their names.

    Raises GraphError with what is wrong in a file.
    """
    names: list[str] = []
    changes: list[str] = []
    recipes: dict[str, tuple[str, Evaluate]] = {}
    for text in protocols:
        if not text.endswith((".yaml", ".yml")) and text not in packaged_evaluations():
            if other := other_kind(text, "recipe"):
                raise UsageError(f"no evaluation is called '{text}': {other}")
            if "/" in text:
                hint = suggest(text, packaged_evaluations(), "recipes are")
                raise UsageError(f"there is no recipe of an evaluation '{text}': {hint}")
            names.append(text)
            continue
        section = _recipe(text)
        if section.features is not None:
            changes.append(f"evaluate.features={json.dumps(section.features)}")
        for name, config in section.asked.items():
            names.append(name)
            recipes[name] = Path(text).stem, section
            changes.append(f"evaluate.{name}={json.dumps(config.model_dump(mode='json', by_alias=True))}")
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise UsageError(f"the evaluation '{twice[0]}' is asked for twice")
    if data is None or DETECTION not in names:
        return Asked(names, changes, data, recipes)
    if len(names) > 1:
        raise UsageError(
            f"--data is pictures with boxes for {DETECTION}, and labelled ones for others: ask for it alone"
        )
    boxes = _boxes(data)
    changes += [f"evaluate.{DETECTION}.{key}={json.dumps(value)}" for key, value in boxes.items()]
    return Asked(names, changes, None, recipes, Path(data).stem)


def _recipe(text: str) -> Evaluate:
    """The section `evaluate:` of a file that has no other."""
    source, problems = load(text), Problems()
    refuse_other_kind(source, ["recipe"], problems, RECIPE)
    load_components(source, problems)
    _refuse_others(source, ("evaluate",), problems, RECIPE)
    given = source.data.get("evaluate")
    section, wrong = validate(evaluate_section(), given if isinstance(given, dict) else {})
    for one in wrong:
        problems.add(one.message, source.at(("evaluate", *one.path), key=one.kind == "unknown"), one.hint)
    if section is not None and not any(
        isinstance(given, dict) and given.get(name) is not None for name in section.asked
    ):
        problems.add(
            "this file asks for no evaluation", source.at(("evaluate",)), "evaluate: {linear: {}} asks for one"
        )
    if isinstance(given, dict) and "monitor" in given:
        problems.add("monitors watch a training, and say nothing here", source.at(("evaluate", "monitor"), key=True))
    problems.stop()
    assert section is not None
    assert isinstance(given, dict)
    left_out = {name: None for name in section.asked if given.get(name) is None}  # what graphs have by default
    return section.model_copy(update=left_out)


def _boxes(data: str) -> dict[str, Any]:
    """The options of pictures with boxes that a file has, under `data:` or alone."""
    form = "{training: {use: voc, root: FOLDER, split: NAME}, test: {...}}"
    if not data.endswith((".yaml", ".yml")):
        raise UsageError(f"{DETECTION} takes pictures with boxes: --data is a YAML file with data: {form}")
    source, problems = load(data), Problems()
    refuse_other_kind(source, ["boxes"], problems, f"data: {form}")
    place: tuple[str, ...] = ("data",) if "data" in source.data else ()
    if place:
        _refuse_others(source, place, problems, f"data: {form}")
    given = source.data.get("data", source.data)
    section, wrong = validate(_BoxData, given if isinstance(given, dict) else {})
    for one in wrong:
        at = source.at((*place, *one.path), key=one.kind == "unknown")
        problems.add(one.message, at, one.hint or f"{DETECTION} takes pictures with boxes, {form}")
    problems.stop()
    assert section is not None
    return section.model_dump(mode="json")


def _refuse_others(source: Source, known: Sequence[str], problems: Problems, hint: str) -> None:
    for key in sorted(set(source.data) - {*known, "components", "description"}):
        problems.add(f"'{key}' says nothing here", source.at((key,), key=True), hint)
