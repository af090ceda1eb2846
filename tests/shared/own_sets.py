"""A data set of a user's own, as the text of its file, with the parts that tests change."""

from __future__ import annotations

from pathlib import Path

OWN_SET = """
import numpy as np
import torch
from graphssl.data import DatasetConfig, Facts, dataset

def picture(i):
    return np.random.RandomState(i).randint(0, 256, (20 + i % 3, 24, 3)).astype(np.uint8)

class Split(torch.utils.data.Dataset):
    def __init__(self, first, n):
        self.first, self.n = first, n
    def __len__(self):
        return self.n
    def __getitem__(self, i):
        label = i % 3
        image = picture(self.first + i)
        {item}
        return image, label

@dataset("noise")
class Noise:
    class Config(DatasetConfig):
        count: int = 60
        {options}
    def __init__(self, config):
        self.config = config
    @classmethod
    def facts(cls, config):
        return Facts({facts})
    def split(self, name):
        {split}
        return Split(0, self.config.count) if name == "train" else {test}
"""
FACTS = "samples=config.count, classes=3, size=16"


def own_set(
    folder: Path, item: str = "pass", facts: str = FACTS, test: str = "None", options: str = "", split: str = "pass"
) -> tuple[str, str]:
    """Writes the set's file beside the graph. The change of a graph that loads it."""
    text = OWN_SET
    for key, value in (("item", item), ("facts", facts), ("test", test), ("options", options), ("split", split)):
        text = text.replace(f"{{{key}}}", value)
    (folder / "noise.py").write_text(text)
    return ("data: {use: digits,", "components: [./noise.py]\ndata: {use: noise,")
