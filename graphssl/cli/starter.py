"""What `graphssl new` writes: a graph to edit, or a component of one's own."""

from __future__ import annotations

from keyword import iskeyword
from pathlib import Path

from ..errors import UsageError

GRAPH = """\
# graphssl check {file}
# graphssl run {file}
# `graphssl components` lists what `use:` may name.
graph: {name}
data: {{use: digits, batch: 256}}
nodes:
  augment:   {{use: augment.simclr, size: 32, flip: 0, blur: 0}}
  encoder:   {{use: encoder.resnet, depth: 10, width: 16}}
  projector: {{use: head.mlp, hidden: 256, out: 64}}
  negatives: {{use: negatives.in_batch}}
  critic:    {{use: critic.cosine, temperature: 0.2}}
  objective: {{use: objective.infonce}}
flow:
  x: augment(batch.image)                              # two views
  z: projector(encoder(x))                             # one embedding per view
  s: critic(z, z, negatives(z), pairs=cross)           # both orders; the other samples of the batch as negatives
loss:
  infonce: objective(s)
train: {{epochs: 30, optimizer: {{use: adamw, lr: 1e-3}}, schedule: {{shape: cosine, warmup: 3}}}}
evaluate: {{features: encoder, knn: {{k: 20, every: 5}}}}
"""

COMPONENT = '''\
"""A component of one's own. In a graph file: `components: [./{file}]`, then `use: critic.{name}`."""

from typing import Annotated

from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from graphssl.component import NodeConfig, Scheduled, Sizes, component
from graphssl.ports import Scores


@component("critic.{name}", traits=("bounded",))  # a score is at most 0
class {title}(nn.Module):
    """Minus the Euclidean distance, over a temperature."""

    class Config(NodeConfig):
        temperature: Scheduled[PositiveFloat] = 1.0

    temperature: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"]
    ) -> Annotated[Scores, "b", "b n"]:
        return Scores(-F.pairwise_distance(query, key) / self.temperature)
'''


def starter(name: str) -> tuple[Path, str]:
    """The file to write and its text: a component for a name that ends in .py, a graph for any other.

    Raises UsageError for a name that neither can have.
    """
    path = Path(name)
    stem = path.stem
    if path.suffix not in ("", ".py", ".yaml", ".yml"):
        raise UsageError(f"'{name}' is neither a graph (my_method.yaml) nor a component (my_critic.py)")
    if not (stem.isidentifier() and stem.isascii()):
        raise UsageError(f"'{stem}' cannot name a graph or a component here: letters, digits and _ can")
    if path.suffix == ".py":
        return path, COMPONENT.format(file=path.name, name=stem, title=_class_name(stem))
    path = path if path.suffix else path.with_suffix(".yaml")
    return path, GRAPH.format(file=path, name=f"'{stem}'" if stem.lower() in ("true", "false", "null") else stem)


def _class_name(stem: str) -> str:
    """my_critic gives MyCritic; what is a word of Python, or taken in the file, gets an ending."""
    title = "".join(word.capitalize() for word in stem.split("_"))
    taken = {"Annotated", "F", "NodeConfig", "PositiveFloat", "Scheduled", "Scores", "Sizes", "Tensor"}
    return title if title.isidentifier() and not iskeyword(title) and title not in taken else f"{title}Critic"
