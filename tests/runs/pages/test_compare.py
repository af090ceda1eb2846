from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import SIMCLR
from kept_runs import Kept

from graphssl.errors import RunError, UsageError
from graphssl.runs.pages import compare_page


def written(*runs: str, output: str = "page.html") -> str:
    """The page of these runs, without what Plotly is."""
    compare_page(list(runs), Path(output))
    return re.sub(r"<script>.*?</script>", "", Path(output).read_text(), flags=re.DOTALL)


def test_runs_that_differ_in_their_seed_are_one_figure_with_its_interval(kept: Kept) -> None:
    for seed, value in enumerate((0.7, 0.8, 0.9)):
        kept(f"a{seed}", f"train.seed={seed}", curves={"knn": [0.1, value]})
    kept("b", "nodes.predictor.hidden=32", curves={"knn": [0.1, 0.5]})
    text = written("a0", "a1", "a2", "b")
    assert "a0 (3 seeds)" in text
    assert "80.00 ± 24.84 %" in text  # Student's t of 2 degrees of freedom: 4.303 * 0.1 / sqrt(3)
    assert "50.00 %" in text
    assert '<th scope="row">nodes.predictor.hidden</th>' in text
    assert "train.seed" not in text


def test_graphs_that_differ_are_drawn_over_each_other(kept: Kept) -> None:
    kept("a")
    kept("b", "nodes.predictor.hidden=32")
    kept("c", "train.optimizer.lr=1e-2")
    text = written("a", "b", "c")
    assert "~ predictor" in text
    assert "changed: nodes.predictor" in text
    assert "Drawn as a: c." in text


def test_runs_of_other_graphs_and_data_are_compared(kept: Kept) -> None:
    kept("a")
    kept("b", text=SIMCLR.replace("{use: digits, batch: 16}", "{use: cifar10, root: ./nowhere, batch: 16}"))
    text = written("a", "b")
    assert "removed: nodes.predictor" in text
    assert "cifar10" in text


def test_what_lacks_is_said(kept: Kept) -> None:
    kept("a")
    kept("nothing", "train.seed=1", curves={}, status="running", scores={})
    text = written("a", "nothing")
    assert "nothing: it has measured nothing that its metrics.csv knows." in text
    assert "Not finished, but killed: nothing." in text


def test_of_no_run_with_metrics_there_is_a_page(kept: Kept) -> None:
    for i in range(2):
        kept(f"r{i}", f"train.seed={i}", curves={}, scores={})
    text = written("r0", "r1")
    assert "None of these runs has measured a figure yet." in text
    assert "there are no metrics to draw" in text


def test_a_damaged_run_is_told_and_does_not_stop_the_page(kept: Kept) -> None:
    kept("a")
    (kept("b") / "run.json").write_text("{")
    (kept("c") / "graph.yaml").write_text("graph: c\nnodes: {e: {use: encoder.resnett}}\n")
    text = written("a", "b", "c")
    assert "run.json is damaged" in text
    assert "c: its graph cannot be read here" in text


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("page.txt", r"a page cannot be written as 'page.txt': its name ends in .html"),
        ("runs", r"a page cannot be written as 'runs'"),
        ("nowhere/page.html", r"there is no folder nowhere"),
    ],
)
def test_where_no_page_can_be_written_it_is_said_first(kept: Kept, output: str, said: str) -> None:
    kept("a")
    with pytest.raises(UsageError, match=said):
        compare_page(["a", "no such run"], Path(output))


def test_a_folder_of_that_name_stays(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(UsageError, match=r"page.html is a folder"):
        compare_page(["a", "b"], Path("page.html"))


def test_runs_that_are_not_there_or_twice(kept: Kept, tmp_path: Path) -> None:
    kept("alpha")
    kept("beta", "train.seed=1")
    with pytest.raises(UsageError, match=r"no run called 'alfa'.*did you mean 'alpha'"):
        compare_page(["alfa", "beta"], Path("page.html"))
    with pytest.raises(UsageError, match=r"'alpha' is named twice"):
        compare_page(["alpha", "runs/alpha"], Path("page.html"))
    with pytest.raises(UsageError, match=r"two runs or more"):
        compare_page(["alpha"], Path("page.html"))
    assert not (tmp_path / "page.html").exists()


def test_a_page_is_written_whole_or_not_at_all(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept("a")
    kept("b", "train.seed=1")
    written("a", "b")
    before = Path("page.html").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        compare_page(["a", "b"], Path("page.html"))
    assert Path("page.html").read_text() == before
    assert list(Path().glob(".page*")) == []


@pytest.mark.slow
def test_a_hundred_runs_are_a_page_that_can_be_read(kept: Kept) -> None:
    loss = [1 / (k + 1) for k in range(2000)]
    for i in range(100):
        kept(f"r{i}", f"nodes.predictor.hidden={i + 1}", curves={"loss": loss, "knn": [0.1, i / 100]})
    text = written(*(f"r{i}" for i in range(100)))
    assert len(text) < 3_000_000
    assert "the best first" in text
    assert re.findall(r'<th scope="row"><span><span [^>]*></span>(r\d+)', text)[:2] == ["r99", "r98"]
    legends = re.findall(r'"showlegend":true', text)
    assert 0 < len(legends) <= 4 * 11  # ten with a colour, and the others together


def test_a_run_in_another_folder_is_found_by_it(kept: Kept, tmp_path: Path) -> None:
    kept("a")
    kept("b", "train.seed=1").rename(tmp_path / "moved")
    assert "moved" in written("a", "moved")


def test_few_runs_stay_in_the_order_in_which_they_are_named(kept: Kept) -> None:
    for name, value in (("a", 0.3), ("b", 0.9)):
        kept(name, f"nodes.predictor.hidden={8 if name == 'a' else 32}", curves={"knn": [0.1, value]})
    text = written("a", "b")
    assert re.findall(r'<th scope="row"><span><span [^>]*></span>(\w+)', text)[:2] == ["a", "b"]


def test_runs_of_several_seeds_are_called_by_what_their_names_share(kept: Kept) -> None:
    for seed in range(3):
        kept(f"byol-{seed}", f"train.seed={seed}")
        kept(f"{'xyz'[seed]}", "nodes.predictor.hidden=32", f"train.seed={seed}")
    text = written(*(f"byol-{seed}" for seed in range(3)), "x", "y", "z")
    assert "<h1>byol and x</h1>" in text
    assert "byol (3 seeds)" in text


def test_the_only_term_of_a_loss_has_no_curve_beside_it(kept: Kept) -> None:
    kept("a", curves={"loss": [3.0, 2.0], "loss/byol": [3.0, 2.0], "loss/more": [2.0, 1.0]})
    kept("b", text=SIMCLR, curves={"loss": [3.5, 2.0], "loss/ntxent": [3.5, 2.0]})
    titles = re.findall(r'<figcaption id="title-curve-\d+">(.*?)</figcaption>', written("a", "b"))
    assert titles == ["loss", "loss/more"]
