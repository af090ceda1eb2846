"""What `graphssl components` prints: the list, one in full, a suggestion for one that is not there."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from config_forms import Options
from torch import Tensor, nn

from graphssl.cli.components import component_text, components_text
from graphssl.component import REGISTRY, component, discover
from graphssl.ports import Scores

discover()
SHIPPED = sorted(name for name, c in REGISTRY.items() if c.cls.__module__.startswith("graphssl.components"))


@pytest.fixture
def mine() -> Any:
    """A component that has everything."""

    @component("critic.described", detached=True)
    class Described(nn.Module):
        """The first line.

        The second.
        """

        Config = Options

        def forward(
            self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"] | None = None
        ) -> Annotated[Scores, "b", "b n"]: ...

    yield Described
    del REGISTRY["critic.described"]


@pytest.mark.usefixtures("mine")
def test_a_component_in_full() -> None:
    text = component_text("critic.described")
    assert text.startswith("critic.described\n\nThe first line.\n\nThe second.\n\nconfig\n")
    rows = dict(re.findall(r"^  (\w+) .*?  (required|= \S+(?: \S+)*)", text, re.MULTILINE))
    assert rows == {
        "needed": "required", "bounded": "= 0.333333", "moving": "= 0.5", "word": "= a", "only": "= c", "either": "= null",
        "flag": "= false", "several": "= [0.1, 2.0]", "names": "= []", "empty": '= ""',
        "inner": "= {use: inner, size: 3, share: 0.5}",
    }  # fmt: skip
    assert "call\n  query: [b d]\n  key: [b d] (optional)\n  -> scores[b, b n]" in text
    assert "Its output never carries a gradient." in text
    assert f"source: {__file__}" in text


@pytest.mark.parametrize("name", SHIPPED)
def test_every_component_says_all_of_itself(name: str) -> None:
    entry, text = REGISTRY[name], component_text(name)
    assert text.startswith(f"{name}\n\n{entry.summary}")
    for part in (*entry.config.model_fields, *entry.updates, *(p.name for p in entry.forward.inputs)):
        assert re.search(rf"\b{part}\b", text), part
    assert f"source: {entry.origin}" in text
    assert "any" not in re.findall(r"^  \w+ +(\S+) +(?:=|required)", text, re.MULTILINE), "a field without a type"
    assert "None" not in text.partition("config\n")[2].partition("\n\ncall\n")[0].replace("NoneType", "None")


def test_the_list_has_every_component_once_under_its_kind() -> None:
    text = components_text()
    listed = re.findall(r"^  ([a-z]\w*\.\w+)  +\S", text, re.MULTILINE)
    assert sorted(set(listed) & set(SHIPPED)) == SHIPPED
    assert len(listed) == len(set(listed))
    for block in text.split("\n\n")[:-1]:
        kind, *rows = block.split("\n")
        assert all(row.strip().startswith(f"{kind}.") for row in rows)


def test_a_kind_gives_all_of_it() -> None:
    text = component_text("target")
    assert re.findall(r"^(target\.\w+)$", text, re.MULTILINE) == [n for n in REGISTRY if n.startswith("target.")]


def test_an_unknown_component_is_answered_with_a_suggestion() -> None:
    with pytest.raises(LookupError, match=r"did you mean 'critic\.cosine'"):
        component_text("critic.cosin")
