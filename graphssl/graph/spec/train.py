"""The section `train:`: how long, with which optimizer and rate, how precisely, and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from ...schedule import Scheduled
from .optimizers import OPTIMIZERS, AdamW, Optimizer
from .section import Section
from .tables import ConfigIn


class LearningRate(Section):
    """`schedule:` of the learning rate. warmup: epochs of linear growth from 0, then the shape.

    cosine: to `final` times the rate. step: times `gamma` at each of the `at` epochs. constant: as it is.
    by: the cosine moves with each step, or with each epoch, whose beginning counts (MoCo v1 and v2, SimSiam, lightly),
    or whose end (SupContrast). over: it spans what is left after the warm-up, or all of the training (SupContrast), and
    the warm-up then ends where the cosine is by that time.
    """

    shape: Literal["cosine", "step", "constant"] = "cosine"
    warmup: NonNegativeFloat = 0
    final: NonNegativeFloat = 0.0
    at: list[PositiveFloat] = []
    gamma: PositiveFloat = 0.1
    by: Literal["step", "epoch", "epoch_end"] = "step"
    over: Literal["rest", "all"] = "rest"


class Clip(Section):
    """`clip:` of the gradient: its largest norm, of all of it, or of each parameter's by itself (DINO)."""

    norm: PositiveFloat
    per: Literal["all", "parameter"] = "all"


class PerNode(Section):
    """A node's own factor on the learning rate, and whether its rate follows the schedule or stays (SimSiam).

    At a factor of 0 its weights stay as they are, decay included: SwAV freezes the prototypes for an epoch,
    `lr: {from: 0, to: 1, shape: step, over: 1}`.
    layer_decay: what the rate of a layer is times that of the layer after it; the last has the node's (BEiT, Bao et al.
    2022, arXiv:2106.08254, appendix; MAE). Of encoders whose layers stand in an order: ViT by blocks, ResNet by stages,
    and timm's by its own groups.
    """

    lr: Scheduled[NonNegativeFloat] = 1.0
    schedule: Literal["follow", "constant"] = "follow"
    weight_decay: Scheduled[NonNegativeFloat] | None = None
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None


class CheckpointPlan(Section):
    """When a checkpoint is written: every so many steps, and after every so many epochs. `keep` of them stay.

    Two by default: the one before is there where the newest is damaged.
    """

    steps: PositiveInt | None = None
    epochs: PositiveInt | None = 1
    keep: PositiveInt = 2


class Train(Section):
    """`train:` — how.

    accumulate: forward passes of `data.batch` samples for each optimizer step.
    clip: largest norm of the whole gradient; {norm: 3.0, per: parameter} of each parameter's.
    precision: `auto` is bf16 on a GPU that has it, fp32 on a CPU.
    compile: `auto` compiles on a GPU.
    cuda_graph: `auto` records the whole step on a GPU, to launch it as one; where that fails, the run says why.
    nodes: learning-rate factors by node.
    shard: with several processes, `full` parts weights, gradients and the optimizer's state among them (FSDP), for what
    fits no single GPU; `none` gives each process all of them (DDP).
    steps: stops after so many optimizer steps, whatever `epochs` says (the schedules then span these).
    """

    epochs: PositiveInt = 100
    steps: PositiveInt | None = None
    optimizer: Annotated[Optimizer, ConfigIn(OPTIMIZERS)] = AdamW(use="adamw")
    schedule: LearningRate = LearningRate()
    nodes: dict[str, PerNode] = {}
    accumulate: PositiveInt = 1
    clip: PositiveFloat | Clip | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    channels_last: bool = True
    compile: Literal["auto", "on", "off"] = "auto"
    cuda_graph: Literal["auto", "off"] = "auto"
    shard: Literal["none", "full"] = "none"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    checkpoint: CheckpointPlan = CheckpointPlan()
    log_every: PositiveInt = 10
