"""The parts of a page that are about features: maps, spectrum, neighbours; or why there are none."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.page import Section
from ...train.device import choose_device
from .entries import Entry
from .features import Gathered, Progress, gathered
from .maps import map_section, spectrum_section
from .nearest import nearest_section

__all__ = ["Progress", "feature_sections", "features_for"]


def features_for(
    entries: Sequence[Entry], wanted: bool, device: str, progress: Progress | None = None
) -> Gathered | None:  # fmt: skip
    """Of the first entries; None where nobody wants them."""
    return gathered(entries, choose_device(device), progress) if wanted else None


def feature_sections(entries: Sequence[Entry], found: Gathered | None) -> list[Section]:
    """The sections; none where no features are wanted."""
    if found is None:
        return []
    if not found.features:
        return [Section("map", "Embedding map", ["There are no features to show.", *found.lacks])]
    mapped = map_section(entries, found.features)
    return [
        Section(mapped.name, mapped.title, [*found.lacks, *mapped.content]),
        spectrum_section(entries, found.features),
        nearest_section(entries, found.features),
    ]
