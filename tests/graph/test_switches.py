"""A part or a port that an option would give: the hint names the option."""

from __future__ import annotations

import pytest
from conftest import problems_of

import graphssl
from graphssl.graph.read import load


@pytest.mark.parametrize(
    ("graph", "change", "hint"),
    [
        ("mae", "nodes.encoder.tokens=false", "hint: 'encoder' has it with tokens: true"),
        ("simmim", "nodes.encoder.mask_token=false", "hint: 'encoder' has it with mask_token: true"),
        ("densecl", "nodes.encoder.maps=[]", "hint: 'encoder' has it with maps: [layer2]"),
        ("mae", "flow.p=decoder(h.token, m.kept, m.hidden, vector=h.vector)", "hint: did you mean 'tokens'?"),
        ("mae", "flow.h=encoder(x, m.kept, windows=m.mask)", "hint: it is encoder(image, kept = ...)"),
    ],
)
def test_the_hint_names_the_option(graph: str, change: str, hint: str) -> None:
    problems = problems_of(load, graph, [change])
    assert any(hint in problem for problem in problems), problems


def test_without_such_an_option_there_is_no_hint() -> None:
    (problem,) = problems_of(load, "simclr", ["flow.z=projector(encoder(x, views=fold).map)"])
    assert "has no part 'map'" in problem or "hint" not in problem


def test_sizes_that_turn_in_a_circle_name_the_nodes() -> None:
    problems = problems_of(graphssl.check, "mae", ["nodes.mask.of=decoder"])
    said = "the sizes here cannot be worked out: those of 'decoder' depend on 'mask', which names it"
    assert any(said in problem for problem in problems), problems
