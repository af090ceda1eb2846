"""The section `train:`: how long, with which optimizer and rate, how precisely, and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from ...schedule import Scheduled
from .optimizers import OPTIMIZERS, AdamW, Optimizer
from .section import Section
from .tables import ConfigIn


class LearningRate(Section):
    """`schedule:` of the learning rate."""

    shape: Literal["cosine", "step", "constant"] = Field(
        default="cosine",
        description="`cosine`: down to `final`; `step`: times `gamma` at each of the epochs `at`; `constant`",
    )
    warmup: NonNegativeFloat = Field(default=0, description="epochs of linear growth from 0, then the shape")
    final: NonNegativeFloat = Field(default=0.0, description="of `cosine`: times the rate, where it ends")
    at: list[PositiveFloat] = Field(default=[], description="of `step`: epochs")
    gamma: PositiveFloat = Field(default=0.1, description="of `step`: a factor")
    by: Literal["step", "epoch", "epoch_end"] = Field(
        default="step",
        description="the cosine moves with each step, or with each epoch, whose beginning counts (MoCo v1 and v2, "
        "SimSiam, lightly), or whose end (SupContrast)",
    )
    over: Literal["rest", "all"] = Field(
        default="rest",
        description="the cosine spans what is left after the warm-up, or all of the training (SupContrast), and the "
        "warm-up then ends where the cosine is by that time",
    )


class Clip(Section):
    """`clip:` of the gradient: its largest norm."""

    norm: PositiveFloat = Field(description="the largest one")
    per: Literal["all", "parameter"] = Field(
        default="all", description="of the whole gradient, or of each parameter's by itself (DINO)"
    )


class PerNode(Section):
    """A node's own learning rate and decay, beside the optimizer's."""

    lr: Scheduled[NonNegativeFloat] = Field(
        default=1.0,
        description="a factor on the learning rate; a number, or a schedule. At 0 the node's weights stay as they "
        "are, decay included: `{from: 0, to: 1, shape: step, over: 1}` is SwAV's for the prototypes",
    )
    schedule: Literal["follow", "constant"] = Field(
        default="follow", description="whether the rate follows `train.schedule`, or stays (SimSiam's predictor)"
    )
    weight_decay: Scheduled[NonNegativeFloat] | None = Field(
        default=None, description="in place of the optimizer's; a number, or a schedule"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="what the rate of a layer is times that of the layer after it; the last has the node's (BEiT, Bao "
        "et al. 2022, arXiv:2106.08254, appendix; MAE). Of encoders whose layers stand in an order: ViT "
        "by blocks, ResNet by stages, timm's by its own groups",
    )


class CheckpointPlan(Section):
    """When a checkpoint is written."""

    steps: PositiveInt | None = Field(default=None, description="every so many steps")
    epochs: PositiveInt | None = Field(default=1, description="after every so many epochs")
    keep: PositiveInt = Field(
        default=2, description="so many of the newest stay; the one before is there where the newest is damaged"
    )


class Train(Section):
    """`train:` — how."""

    epochs: PositiveInt = Field(default=100, description="how long")
    steps: PositiveInt | None = Field(
        default=None,
        description="stops after so many optimizer steps, whatever `epochs` says; what is scheduled then spans these",
    )
    optimizer: Annotated[Optimizer, ConfigIn(OPTIMIZERS)] = Field(
        default=AdamW(use="adamw"), description="`use:` one of the optimizers, and its options"
    )
    schedule: LearningRate = Field(default=LearningRate(), description="of the learning rate")
    nodes: dict[str, PerNode] = Field(
        default={},
        description="by node, what is other than the optimizer's: `{predictor: {lr: 10, schedule: constant}}`",
    )
    accumulate: PositiveInt = Field(
        default=1, description="forward passes of `data.batch` samples for each optimizer step"
    )
    clip: PositiveFloat | Clip | None = Field(
        default=None,
        description="the largest norm of the whole gradient; `{norm: 3.0, per: parameter}` of each parameter's",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="`auto` is bf16 on a GPU that has it, fp32 on a CPU"
    )
    channels_last: bool = Field(default=True, description="convolutions keep channels last in memory, which is faster")
    compile: Literal["auto", "on", "off"] = Field(default="auto", description="`auto` compiles on a GPU")
    cuda_graph: Literal["auto", "off"] = Field(
        default="auto",
        description="`auto` records the whole step on a GPU, to launch it as one; where that fails, the run says why",
    )
    shard: Literal["none", "full"] = Field(
        default="none",
        description="of several processes: `full` parts weights, gradients and the optimizer's state among them "
        "(FSDP), for what fits no single GPU; `none` gives each process all of them (DDP)",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(default=0, description="of weights, order and augmentation")
    checkpoint: CheckpointPlan = Field(default=CheckpointPlan(), description="when one is written, and how many stay")
    log_every: PositiveInt = Field(default=10, description="optimizer steps between two lines of metrics")
