"""The section `data:`: which pictures, at which size, how many at a time, and where they are kept."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)

from .datasets import DATA_SETS, OPTIONS, users_of
from .section import Section
from .tables import NameIn
from .units import out_of_units

Pixels = Annotated[int, Field(ge=4, le=4096)]
Size = Annotated[
    Annotated[Pixels, Tag("square")] | Annotated[tuple[Pixels, Pixels], Tag("sides")],
    Discriminator(lambda value: "sides" if isinstance(value, list | tuple) else "square"),
]
AUTO, ASSUMED = "auto", 256
BUILT_IN = tuple(DATA_SETS)
NEED_A_ROOT = ("archive", "pictures", "shards")
BATCH = WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0, "maximum": 10_000_000}, {"const": AUTO}]})


def _batch(value: Any) -> Any:
    """`auto` as the number that stands for it; other words are told what would be right."""
    if isinstance(value, str) and value != AUTO and not value.isdigit():
        raise ValueError(f"'batch' is '{value}'; it should be a whole number, or {AUTO}")
    return ASSUMED if value == AUTO else value


def _some(value: Any) -> Any:
    """`root`, unless it names nothing."""
    if value == "" or (isinstance(value, list) and (not value or "" in value)):
        what = "an empty list" if value == [] else "empty" if value == "" else "a list with an empty name"
        raise ValueError(f"'root' is {what}: it should name a folder, or of 'image_folder' a list of some")
    return value


Root = Annotated[str | Annotated[list[str], Field(min_length=1)] | None, BeforeValidator(_some)]


class Preprocessing(Section):
    """`eval:` of the data."""

    resize: Pixels | None = Field(
        default=None, description="the shorter side in pixels before the centre is cut out; default: that of `crop`"
    )
    crop: Size | None = Field(
        default=None, description="of the centre, one number or [height, width]; default: `data.size`"
    )


class Data(Section):
    """`data:` — on what. Images reach the graph as `batch.image`, uint8 RGB; views are cut of whole pictures."""

    use: Annotated[str, NameIn(DATA_SETS)] = Field(
        default="digits",
        description="the data set; `digits` is embedded, the others lie in `root`, or are fetched there",
    )
    batch: Annotated[int, BeforeValidator(_batch), Field(gt=0, le=10_000_000), BATCH] = Field(
        default=256,
        description="samples in one forward pass, over all processes; `auto` is the most that fits: a run finds out, "
        "and for whatever looks at the graph before it is 256",
    )
    root: Root = Field(
        default=None,
        description="the folder that holds the set, of `image_folder` also a list of some; of `webdataset` a folder, "
        "shards by a pattern, `/data/train-{000000..000146}.tar`, or an address, `s3://...`",
    )
    files: str | None = Field(
        default=None, description="a list of the pictures: a path a line, or a .csv with path, label and split"
    )
    labels: Literal["folders", "none"] = Field(
        default="folders", description="whether the first folders below the root are classes"
    )
    test: str | None = Field(
        default=None, description="the held-out pictures: of shards as `root`, of pictures a folder or a list"
    )
    held_out: Annotated[float, Field(gt=0, lt=1)] | Literal["none"] | None = Field(
        default=None,
        description="the share of each class that is held out where there are no held-out pictures, a tenth where "
        "nothing is said; or none",
    )
    samples: PositiveInt | None = Field(
        default=None, description="the number of training samples, for what has to know it before the set is read"
    )
    window: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=16, description="how many shards are mixed at a time"
    )
    download: bool = Field(default=False, description="fetch the set into `root` where it is not there")
    size: Size | None = Field(
        default=None,
        description="of views and of evaluated pictures in pixels, one number or [height, width]; default: the data "
        "set's own",
    )
    eval: Preprocessing = Field(
        default=Preprocessing(),
        description="how pictures are scaled and cropped for evaluation: `{resize: 256, crop: 224}` is the papers' "
        "for ImageNet",
    )
    channels: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="of pictures in files; one of others is refused. Default: all are made RGB"
    )
    dtype: Literal["uint8", "uint16", "float32"] | None = Field(
        default=None,
        description="of pictures in files; one of another type is refused. Default: all are made bytes, of 16 bits "
        "the high one",
    )
    mean: list[FiniteFloat] | None = Field(
        default=None,
        description="of each channel, to normalise by, where the type's largest value (for float32 1) is 1; default: "
        "the data set's own",
    )
    std: list[Annotated[PositiveFloat, Field(allow_inf_nan=False)]] | None = Field(
        default=None, description="of each channel, as `mean`"
    )
    orientation: Literal["ignore", "apply"] = Field(
        default="ignore",
        description="`apply` turns pictures as their EXIF says; `ignore` takes them as they are stored",
    )
    resident: Literal["auto", "memory", "device", "workers"] = Field(
        default="auto",
        description="keep the decoded set in `memory` or on the `device`, or read it through `workers`; `auto` "
        "decides by size",
    )
    workers: NonNegativeInt | None = Field(
        default=None, description="processes that read pictures; default: one for each core, 16 at most; 0: none"
    )
    decode: Literal["auto", "cpu", "device"] = Field(
        default="auto",
        description="where JPEGs that come through workers are decoded; `auto` is the device where it has an engine "
        "for them",
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        default="stop", description="a picture that cannot be read: `stop`, or `skip` it and say how many there were"
    )
    last: Literal["drop", "keep"] = Field(
        default="drop", description="`drop` the last batch of an epoch when it is short, or `keep` it"
    )

    @field_validator("mean", "std")
    @classmethod
    def _by_channel(cls, value: list[float] | None, info: ValidationInfo) -> list[float] | None:
        row = DATA_SETS.get(info.data.get("use", ""))
        channels = info.data.get("channels") or (None if row is None or row.kind == "dataset" else 3)
        if value is not None and channels is not None and len(value) != channels:
            raise ValueError(f"'{info.field_name}' has {len(value)} values, and the pictures {channels} channels")
        return value

    @model_validator(mode="after")
    def _together(self) -> Data:
        if (self.mean is None) != (self.std is None):
            raise ValueError("'mean' and 'std' come together")
        return self

    @model_validator(mode="after")
    def _units(self) -> Data:
        """Of a set that is a class in Python the type is known later: see `own_facts`."""
        dtype = self.dtype or (None if DATA_SETS[self.use].kind == "dataset" else "uint8")
        for name, values in (("mean", self.mean), ("std", self.std)):
            wrong = out_of_units(name, values, dtype) if values is not None and dtype is not None else None
            if wrong is not None:
                raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _root(self) -> Data:
        if self.root is None and self.files is None and DATA_SETS[self.use].kind in NEED_A_ROOT:
            raise ValueError(f"'{self.use}' needs a root: the folder that holds the data set")
        return self

    @model_validator(mode="after")
    def _eval_fits(self) -> Data:
        crop, resize = self.eval.crop or self.size or DATA_SETS[self.use].size, self.eval.resize
        short = crop if isinstance(crop, int) else min(crop)
        if resize is not None and resize < short:
            raise ValueError(
                f"eval.resize is {resize}, and {short} px are cut out of what it leaves: it is at least that, such as "
                f"{short * 8 // 7} (256 for 224)"
            )
        return self

    @property
    def all_roots(self) -> tuple[str, ...]:
        """The roots of a built-in set: one, several or none."""
        return (self.root,) if isinstance(self.root, str) else tuple(self.root or ())

    @property
    def one_root(self) -> str:
        """The one root of a built-in set that has one."""
        return self.all_roots[0] if self.all_roots else "."

    @field_validator(*OPTIONS)
    @classmethod
    def _of_its_set(cls, value: object, info: ValidationInfo) -> object:
        use, key = info.data.get("use"), info.field_name or ""
        if use is not None and not DATA_SETS[use].takes(key) and value != cls.model_fields[key].default:
            whose, _ = users_of(key)
            raise ValueError(f"'{key}' is for {whose}, and the data set is '{use}'")
        return value

    @field_validator("root")
    @classmethod
    def _of_folders(cls, value: object, info: ValidationInfo) -> object:
        use = info.data.get("use")
        if isinstance(value, list) and use is not None and not DATA_SETS[use].takes("files"):
            raise ValueError(f"several roots are for {users_of('files')[0]}, and the data set is '{use}'")
        return value

    @field_validator("files")
    @classmethod
    def _of_one_root(cls, value: str | None, info: ValidationInfo) -> str | None:
        root = info.data.get("root")
        if value is not None and isinstance(root, list) and len(root) > 1:
            raise ValueError("a list of files has one root, to which its paths are relative")
        return value

    @field_validator("resident")
    @classmethod
    def _of_pictures(cls, value: str, info: ValidationInfo) -> str:
        use, (whose, users) = info.data.get("use"), users_of("workers")
        if value == "workers" and use is not None and use not in users:
            raise ValueError(f"'resident: workers' is for {whose}, and the data set is '{use}'")
        return value


def data_section(use: object = None) -> type[Data]:
    """The model of the section for a set by its name: with the options of its own, if it is one that has some."""
    row = DATA_SETS.get(use) if isinstance(use, str) else None
    return _section(tuple(DATA_SETS), use if row and row.config else None, row.config if row else None)


@cache
def _section(names: tuple[str, ...], use: str | None, config: type[BaseModel] | None) -> type[Data]:
    """names: of the sets that there are, which the choices for `use` follow."""
    if config is None and names == BUILT_IN:
        return Data
    bases: Any = (Data,) if config is None else (config, Data)
    fields: Any = {"use": (Annotated[str, NameIn(DATA_SETS)], use or "digits")}
    section: type[Data] = create_model("Data", __base__=bases, __doc__=Data.__doc__, **fields)
    return section
