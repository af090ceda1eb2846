"""The pydantic models of a graph file: what each section may hold.

Nodes keep their config as a plain mapping here; the component's own `Config` validates it (see `graph`).
Validation is strict and in JSON's terms: `"5"` is no number, `5` is a float where one is wanted, a list is a
list. This module needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from .errors import suggest
from .schedule import Schedule, Scheduled

Fraction = Annotated[float, Field(ge=0, lt=1)]
DATA_SETS = ("digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "stl10", "imagenet", "image_folder")


class Section(BaseModel):
    """Base of the sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """`data:` — on what. Images reach the graph as `batch.image`, uint8 RGB, `b 3 h w`, all of one size.

    use: the data set. `digits` (scikit-learn's) is embedded; the others need `root`.
    batch: samples in one forward pass (over all processes).
    size: height and width in pixels at which images are kept; default: the data set's own.
    resident: keep the decoded set in `memory` or on the `device`, or read it through `workers`; `auto` decides by size.
    last: `drop` the last batch of an epoch when it is short, or `keep` it.
    """

    use: Literal["digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "stl10", "imagenet", "image_folder"] = (
        "digits"
    )
    batch: Annotated[int, Field(gt=0, le=10_000_000)] = 256
    root: str | None = None
    download: bool = False
    size: Annotated[int, Field(ge=4, le=4096)] | None = None
    resident: Literal["auto", "memory", "device", "workers"] = "auto"
    workers: NonNegativeInt | None = None
    on_bad_image: Literal["stop", "skip"] = "stop"
    last: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _root(self) -> Data:
        if self.use != "digits" and self.root is None:
            raise ValueError(f"'{self.use}' needs a root: the folder that holds the data set")
        return self


class Sgd(Section):
    """SGD with momentum (torch.optim.SGD)."""

    use: Literal["sgd"]
    lr: PositiveFloat = 0.03
    momentum: Fraction = 0.9
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 1e-4


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW)."""

    use: Literal["adamw"]
    lr: PositiveFloat = 1e-3
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 1e-4


class Lars(Section):
    """LARS (You et al. 2017, arXiv:1708.03888), with SGD's momentum; eta is the trust coefficient."""

    use: Literal["lars"]
    lr: PositiveFloat = 0.3
    momentum: Fraction = 0.9
    eta: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-6


Optimizer = Annotated[Sgd | AdamW | Lars, Field(discriminator="use")]


class LearningRate(Section):
    """`schedule:` of the learning rate. warmup: epochs of linear growth from 0, then the shape.

    cosine: to `final` times the rate. step: times `gamma` at each of the `at` epochs. constant: as it is.
    """

    shape: Literal["cosine", "step", "constant"] = "cosine"
    warmup: NonNegativeFloat = 0
    final: NonNegativeFloat = 0.0
    at: list[PositiveFloat] = []
    gamma: PositiveFloat = 0.1


class PerNode(Section):
    """A node's own factor on the learning rate, and whether its rate follows the schedule or stays (SimSiam)."""

    lr: NonNegativeFloat = 1.0
    schedule: Literal["follow", "constant"] = "follow"
    weight_decay: NonNegativeFloat | None = None


class Checkpoints(Section):
    """When a checkpoint is written: every so many steps, and after every so many epochs. `keep` of them stay."""

    steps: PositiveInt | None = None
    epochs: PositiveInt | None = 1
    keep: PositiveInt = 1


class Train(Section):
    """`train:` — how.

    accumulate: forward passes of `data.batch` samples for each optimizer step.
    clip: largest norm of the whole gradient.
    precision: `auto` is bf16 on a GPU that has it, fp32 on a CPU.
    compile: `auto` compiles on a GPU.
    nodes: learning-rate factors by node.
    steps: stops after so many optimizer steps, whatever `epochs` says (the schedules then span these).
    """

    epochs: PositiveInt = 100
    steps: PositiveInt | None = None
    optimizer: Optimizer = AdamW(use="adamw")
    schedule: LearningRate = LearningRate()
    nodes: dict[str, PerNode] = {}
    accumulate: PositiveInt = 1
    clip: PositiveFloat | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    channels_last: bool = True
    compile: Literal["auto", "on", "off"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    checkpoint: Checkpoints = Checkpoints()
    log_every: PositiveInt = 10


class Knn(Section):
    """Weighted kNN on the held-out split (Wu et al. 2018, section 3.4): votes weigh exp(cosine / temperature).

    every: epochs between two evaluations; the untrained and the trained encoder are always evaluated.
    """

    k: PositiveInt = 20
    temperature: PositiveFloat = 0.07
    every: PositiveInt = 5


class Monitor(Section):
    """Collapse monitors on the embeddings that the critics compare. `every`: epochs between two readings."""

    every: PositiveInt = 1


class Evaluate(Section):
    """`evaluate:` — how it is judged. features: the node whose output on plain images is judged."""

    features: str | None = None
    knn: Knn | None = Knn()
    monitor: Monitor | None = Monitor()


class TermSpec(Section):
    """A loss term with a weight that may be scheduled: `{value: objective(s), weight: {from: 0, to: 1}}`."""

    value: str
    weight: Scheduled[float] = 1.0


class GraphFile(Section):
    """A whole graph file."""

    graph: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$")]
    description: str | None = None
    components: list[str] = []
    allow: list[str] = []
    data: Data = Data()
    nodes: dict[str, dict[str, Any]]
    flow: dict[str, str]
    loss: dict[str, str | TermSpec]
    update: dict[str, str] = {}
    train: Train = Train()
    evaluate: Evaluate = Evaluate()


M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]


def validate(model: type[M], data: Mapping[str, Any]) -> tuple[M | None, list[tuple[Path, str, str | None]]]:
    """The model, or None and what is wrong: for each problem the path into `data`, a message and a hint."""
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, [_explain(model, data, e) for e in error.errors(include_url=False)]


def _explain(model: type[BaseModel], data: Any, error: Any) -> tuple[Path, str, str | None]:
    path = _path_in(data, error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    missing = kind in ("extra_forbidden", "missing")
    name = str(next((s for s in reversed(error["loc"] if missing else path) if isinstance(s, str)), ""))
    if kind == "extra_forbidden":
        names = _fields_at(model, data, error["loc"][:-1])
        return path, f"no key is called '{name}' here", suggest(name, names, "keys are")
    if kind == "missing":
        return path, f"'{name}' is missing", None
    if kind == "union_tag_not_found":
        return (
            path,
            "'use' is missing",
            f"one of {context.get('expected_tags', '')}" if "expected_tags" in context else None,
        )
    if kind == "union_tag_invalid":
        choices = [c.strip(" '") for c in context["expected_tags"].split(",")]
        return (
            (*path, "use"),
            f"'{context['tag']}' is none of the choices",
            suggest(str(context["tag"]), choices),
        )
    value = error.get("input")
    if kind == "literal_error":
        choices = [c.strip(" '") for c in context["expected"].replace(" or ", ", ").split(",")]
        return (
            path,
            f"'{name}' is {_shown(value)}, which is none of the choices",
            suggest(str(value), choices),
        )
    if kind == "value_error":
        return path, str(context["error"]), None
    message = error["msg"].replace("Input should be", "should be").replace("Object", "mapping")
    return path, f"'{name}' is {_shown(value)}; it {message[0].lower()}{message[1:]}", None


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str) if not isinstance(value, str) else f"'{value}'"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return text if len(text) < 60 else text[:57] + "..."


def _path_in(data: Any, loc: Iterable[str | int]) -> Path:
    """The part of pydantic's location that exists in the data: the names of union members are left out."""
    path: list[str | int] = []
    steps = list(loc)
    for i, step in enumerate(steps):
        inside = step in data if isinstance(data, Mapping) else isinstance(data, list) and step in range(len(data))
        if inside:
            data = data[step]
        elif i < len(steps) - 1:
            continue
        else:
            break
        path.append(step)
    return tuple(path)


def _fields_at(model: type[BaseModel], data: Any, loc: Iterable[str | int]) -> list[str]:
    """The keys that are allowed at a location, found by following the JSON schema."""
    schema = model.model_json_schema()
    top = schema

    def follow(part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            part = top["$defs"][part["$ref"].rsplit("/", 1)[1]]
        return part

    def options(part: dict[str, Any]) -> list[dict[str, Any]]:
        part = follow(part)
        return [o for s in part.get("anyOf", part.get("oneOf", [])) for o in options(s)] or [part]

    here = [schema]
    for step in loc:
        after = [
            p["properties"][step]
            if step in p.get("properties", {})
            else p.get("additionalProperties") or p.get("items")
            for part in here
            for p in options(part)
        ]
        here = [a for a in after if isinstance(a, dict)] or here
    use = _use_at(data, loc)
    parts = [p for part in here for p in options(part)]
    chosen = [p for p in parts if use and p.get("properties", {}).get("use", {}).get("const") == use]
    return [key for part in chosen or parts for key in part.get("properties", {})]


def _use_at(data: Any, loc: Iterable[str | int]) -> str | None:
    for step in _path_in(data, loc):
        data = data[step]
    return data.get("use") if isinstance(data, Mapping) else None


__all__ = [
    "DATA_SETS", "AdamW", "Checkpoints", "Data", "Evaluate", "GraphFile", "Knn", "Lars", "LearningRate", "Monitor",
    "Optimizer", "PerNode", "Schedule", "Section", "Sgd", "TermSpec", "Train", "validate",
]  # fmt: skip
