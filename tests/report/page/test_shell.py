from __future__ import annotations

import base64
import hashlib
import re

from graphssl.report.page import Html, Line, Section, curves, page, table

PLOT = curves("a", "loss", "a curve", [Line("a", [0, 1], [1.0, 2.0])], "step")


def written() -> str:
    section = Section("results", "Results", ["a < b", table(["run", "kNN"], [["a", "1 %"]], "figures"), [PLOT], PLOT])
    return page("A & B", "two runs", ["one note"], [section], ["made by hand"])


def test_a_browser_runs_the_page_s_scripts_and_no_others() -> None:
    text = written()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2  # Plotly's, once, and ours
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy
    assert "default-src &#x27;none&#x27;" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_nothing_is_asked_for_from_outside() -> None:
    own = re.sub(r"<script>.*?</script>", "", written(), flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", own)
    assert "@import" not in own
    assert "url(" not in own


def test_it_has_what_finds_one_s_way_without_a_mouse() -> None:
    text = written()
    assert '<html lang="en">' in text
    assert text.index('href="#contents" class="skip"') < text.index("<header") < text.index("<nav")
    assert '<a href="#results">Results</a>' in text
    assert '<section id="results" aria-labelledby="results-title"><h2 id="results-title">' in text
    assert 'class="scroll" tabindex="0" role="region" aria-label="figures"' in text
    assert '<th scope="col">run</th>' in text
    assert '<th scope="row">a</th>' in text


def test_texts_are_paragraphs_and_html_is_itself() -> None:
    section = Section("a", "A", ["1 < 2", Html("<hr>")])
    assert "<p>1 &lt; 2</p><hr>" in section.html()
