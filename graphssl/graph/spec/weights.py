"""`weights:` of a node: from where it takes those that it starts with, and in what they may differ from its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .section import Section

__all__ = ["SOURCES", "Weights"]

SOURCES = ("file", "run", "torchvision", "timm")
Pattern = Annotated[str, Field(min_length=1)]


class Weights(Section):
    """Where a node's first weights come from: one of `file`, `run`, `torchvision` and `timm`.

    By default every name of the node must be there in the same shape, and nothing more.
    """

    file: str | None = Field(None, description="a .pt, .pth, .pth.tar or .safetensors file, relative to the graph's")
    run: str | None = Field(None, description="a run by its name under runs/, or its folder; its last checkpoint")
    torchvision: str | None = Field(None, description="torchvision's name, as in ResNet50_Weights.IMAGENET1K_V2")
    timm: str | None = Field(None, description="timm's name, as in resnet50.a1_in1k; needs the extra graphssl[timm]")
    node: str | None = Field(
        None, description="of a run: which node, or which part of one, target.encoder; default: the one of this name"
    )
    network: Literal["online", "momentum"] | None = Field(
        None,
        description="of a file with two networks: the one that was trained, or its slow copy; default: what the "
        "authors evaluate, momentum for DINO (its teacher), online for the others",
    )
    part: Literal["backbone", "projector", "predictor", "prototypes"] | None = Field(
        None, description="of a file with several parts; default: the one that fits"
    )
    prefix: str | None = Field(None, description="what stands before the node's own names; default: it is found")
    strict: bool = Field(True, description="false: names that are missing, too many, or of another shape are let be")
    missing: list[Pattern] = Field([], description="of the node's names, fc.*, those that keep what they start with")
    ignore: list[Pattern] = Field([], description="of the file's names those that are left out")
    interpolate: bool = Field(False, description="position embeddings of another grid are interpolated, bicubically")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="of the file, which is refused where it is another; a run notes it"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Weights:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"it says {' and '.join(given)}" if given else "it says none"
            raise ValueError(f"weights come from one of {', '.join(SOURCES)}; {said}")
        if self.node is not None and self.run is None:
            raise ValueError("'node' is of a run; what of a file is taken, 'network', 'part' or 'prefix' say")
        if self.sha256 is not None and self.file is None and self.run is None:
            raise ValueError("'sha256' is of a file, or of a run's checkpoint")
        return self

    @property
    def source(self) -> tuple[str, str]:
        """Which of the sources, and what it is given."""
        return next((name, value) for name in SOURCES if (value := getattr(self, name)) is not None)

    @classmethod
    def read(cls, value: str | Weights) -> Weights:
        """A plain string is a file."""
        return cls.model_validate({"file": value}) if isinstance(value, str) else value


def identity(dumped: Mapping[str, object] | str) -> Mapping[str, object] | str:
    """What of a dumped `weights:` says which weights they are: with the content's digest not where the file lies."""
    if isinstance(dumped, str) or "sha256" not in dumped:
        return dumped
    return {key: value for key, value in dumped.items() if key not in ("file", "run")}
