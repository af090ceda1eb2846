"""The pydantic models of a graph file: what each section may hold.

Nodes keep their config as a plain mapping here; the component's own `Config` validates it (see `nodes`). This
module needs no torch.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ..schedule import Scheduled
from .codes import CODES

Fraction = Annotated[float, Field(ge=0, lt=1)]
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$"
AUTO, ASSUMED = "auto", 256
BATCH = WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0, "maximum": 10_000_000}, {"const": AUTO}]})
DataSet = Literal[
    "digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "stl10", "imagenet", "image_folder", "webdataset"
]
DATA_SETS = get_args(DataSet)
SHARDS, PICTURES = ("webdataset",), ("imagenet", "image_folder", "webdataset")
FETCHED, NOT_EMBEDDED = DATA_SETS[1:6], DATA_SETS[1:]
USERS = {  # of an option that not every data set has: those that have it, in words and by name
    "root": ("sets that are not embedded", NOT_EMBEDDED),
    "download": ("sets that can be fetched", FETCHED),
    **dict.fromkeys(("test", "samples", "window"), ("'webdataset' alone", SHARDS)),
    **dict.fromkeys(("workers", "decode", "on_bad_image"), ("pictures in files", PICTURES)),
}


def _named(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(
            f"'graph' is '{name}'; a name is letters, digits and _ . + / -, and does not begin with . + / -"
        )
    return name


def _loadable(entry: str) -> str:
    if not re.fullmatch(r"\S.*\.py|\w+(\.\w+)*", entry):
        raise ValueError(
            f"'{entry}' is neither a component file, such as ./my_critic.py, nor a package, such as mylab.ssl"
        )
    return entry


def _batch(value: Any) -> Any:
    """`auto` as the number that stands for it; other words are told what would be right."""
    if isinstance(value, str) and value != AUTO and not value.isdigit():
        raise ValueError(f"'batch' is '{value}'; it should be a whole number, or {AUTO}")
    return ASSUMED if value == AUTO else value


class Section(BaseModel):
    """Base of the sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """`data:` — on what. Images reach the graph as `batch.image`, uint8 RGB, `b 3 h w`, all of one size.

    use: the data set. `digits` (scikit-learn's) is embedded; the others need `root`: the folder that holds the set, for
    `webdataset` also the shards by a pattern (`/data/train-{000000..000146}.tar`) or an address (`s3://...`).
    test, samples, window: of `webdataset` alone: the held-out shards, as `root`; the number of training samples, for
    what has to know it before the set is read; how many shards are mixed at a time.
    batch: samples in one forward pass (over all processes). `auto` is the most that fits: a run finds out, and for
    whatever looks at the graph before it is 256.
    size: height and width in pixels at which images are kept; default: the data set's own.
    resident: keep the decoded set in `memory` or on the `device`, or read it through `workers`; `auto` decides by size.
    workers, decode, on_bad_image: of pictures in files. decode: where JPEGs that come through workers are decoded;
    `auto` is the device where it has an engine for them.
    last: `drop` the last batch of an epoch when it is short, or `keep` it.
    """

    use: DataSet = "digits"
    batch: Annotated[int, BeforeValidator(_batch), Field(gt=0, le=10_000_000), BATCH] = 256
    root: str | None = None
    test: str | None = None
    samples: PositiveInt | None = None
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    download: bool = False
    size: Annotated[int, Field(ge=4, le=4096)] | None = None
    resident: Literal["auto", "memory", "device", "workers"] = "auto"
    workers: NonNegativeInt | None = None
    decode: Literal["auto", "cpu", "device"] = "auto"
    on_bad_image: Literal["stop", "skip"] = "stop"
    last: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _root(self) -> Data:
        if self.use != "digits" and self.root is None:
            raise ValueError(f"'{self.use}' needs a root: the folder that holds the data set")
        return self

    @field_validator(*USERS)
    @classmethod
    def _of_its_set(cls, value: object, info: ValidationInfo) -> object:
        use, key = info.data.get("use", "webdataset"), info.field_name or ""
        whose, users = USERS[key]
        if use not in users and value != cls.model_fields[key].default:
            raise ValueError(f"'{key}' is for {whose}, and the data set is '{use}'")
        return value

    @field_validator("resident")
    @classmethod
    def _of_pictures(cls, value: str, info: ValidationInfo) -> str:
        use = info.data.get("use", "webdataset")
        if value == "workers" and use not in PICTURES:
            raise ValueError(f"'resident: workers' is for pictures in files, and the data set is '{use}'")
        return value


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
    """A node's own factor on the learning rate, and whether its rate follows the schedule or stays (SimSiam).

    At a factor of 0 its weights stay as they are, decay included: SwAV freezes the prototypes for an epoch,
    `lr: {from: 0, to: 1, shape: step, over: 1}`.
    """

    lr: Scheduled[NonNegativeFloat] = 1.0
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
    cuda_graph: `auto` records the whole step on a GPU, to launch it as one; where that fails, the run says why.
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
    cuda_graph: Literal["auto", "off"] = "auto"
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


class Linear(Section):
    """Logistic regression on frozen features, judged on the held-out split, before training and after it.

    penalty: times half the squared length of the weights, on standardised features. iterations: of L-BFGS, at most.
    """

    penalty: NonNegativeFloat = 1e-3
    iterations: PositiveInt = 200


class Monitor(Section):
    """Collapse monitors on what critics, or objectives themselves, compare. `every`: epochs between two readings."""

    every: PositiveInt = 1


class Evaluate(Section):
    """`evaluate:` — how it is judged. features: the node, or the value of the flow, that is judged on plain images."""

    features: str | None = None
    knn: Knn | None = Knn()
    linear: Linear | None = None
    monitor: Monitor | None = Monitor()


class TermSpec(Section):
    """A loss term with a weight that may be scheduled: `{value: objective(s), weight: {from: 0, to: 1}}`."""

    value: str
    weight: Scheduled[float] = 1.0


class GraphFile(Section):
    """A whole graph file."""

    graph: Annotated[str, AfterValidator(_named), Field(json_schema_extra={"pattern": NAME})]
    description: str | None = None
    components: list[Annotated[str, AfterValidator(_loadable)]] = []
    allow: list[Annotated[str, Field(json_schema_extra={"enum": list(CODES)})]] = []
    data: Data = Data()
    nodes: dict[str, dict[str, Any]]
    flow: dict[str, str]
    loss: dict[str, str | TermSpec]
    update: dict[str, str] = {}
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
