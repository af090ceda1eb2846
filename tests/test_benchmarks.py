"""Each benchmark runs, at a tiny size, and what it says of its numbers holds."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import images
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from graphssl.checks.checked import check, validated
from graphssl.graph.language.packaged import packaged

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
METHODS = ("byol", "simclr", "moco_v2")
TINY = ("--encoder", "small", "--batch", "8", "--repeats", "2")
Script = Callable[[str], Any]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def run(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """run(name, options...): what the benchmark writes to its `--output`."""

    def main(name: str, *options: str) -> str:
        output = tmp_path / "results" / f"{name}.txt"
        monkeypatch.setattr("sys.argv", [f"{name}.py", *options, "--output", str(output)])
        threads = torch.get_num_threads()
        try:
            script(name).main()
        finally:
            torch.set_num_threads(threads)
        return output.read_text()

    return main


def cells(text: str, row: str) -> list[str]:
    """The cells of the row that begins so."""
    line = next(line for line in text.splitlines() if line.strip().startswith(row))
    return re.split(r"  +", line.strip().removeprefix(row).strip())


def number(cell: str) -> float:
    return float(cell.split()[0].replace(",", ""))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two classes: 8 training pictures of each, and 2 held out."""
    for split, count in (("train", 8), ("test", 2)):
        for c in range(2):
            folder = tmp_path / "pictures" / split / str(c)
            folder.mkdir(parents=True)
            for i in range(count):
                colour = (200 * c + 5 * i, 90, 20 * i)
                Image.new("RGB", (32, 32), colour).save(folder / f"{i}.png")
    return tmp_path / "pictures"


# -- what they share -----------------------------------------------------------------------------------------


def test_a_ratio_is_within_a_turn(script: Script) -> None:
    slow_and_quiet, busy = [2.0, 4.0, 2.0], [3.0, 6.0, 1.0]  # the second turn was disturbed
    assert script("common").ratios(slow_and_quiet, busy) == ("1.500", "0.500 - 1.500")


def test_functions_take_turns_after_one_warm_up_each(script: Script) -> None:
    calls: list[str] = []
    seconds = script("common").interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert [len(s) for s in seconds.values()] == [2, 2]


def test_the_matrix_peak_is_that_of_the_fastest_product(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    common = script("common")
    monkeypatch.setattr(common, "interleave", lambda functions, repeats: {"": [0.5, 0.25, 1.0]})
    assert common.matrix_peak(torch.device("cpu"), torch.float32) == 2 * 1024**3 / 0.25


def test_a_result_begins_with_its_command(run: Callable[..., str]) -> None:
    text = run("scaling", "--sweep", "queue", "--points", "2", "--repeats", "1")
    assert text.startswith("# python benchmarks/scaling.py --sweep queue --points 2 --repeats 1\n")


def test_a_command_names_folders_and_leaves_out_where_it_writes(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/a/peers.py", "--images", "/b/my pictures", "--output=/c/x.txt"])
    assert script("common").command() == "python benchmarks/peers.py --images 'my pictures'"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("overhead", ["--batch", "0"], "argument --batch: '0' is no whole number above 0"),
        ("overhead", ["--threads", "x"], "argument --threads: 'x' is no whole number above 0"),
        ("overhead", ["--device", "gpu"], "argument --device: 'gpu' is no device here"),
        ("peers", ["--workers", "-1"], "argument --workers: it is below 0"),
        ("learn", ["--jobs", "0"], "argument --jobs: '0' is no whole number above 0"),
        ("scaling", ["--plot", "x.foo"], "argument --plot: it is a .png"),
        ("scaling", ["--redraw", "nothing.txt"], "argument --redraw: that is no result of this benchmark"),
    ],
)
def test_a_wrong_argument_is_one_line(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, options: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.argv", [f"{name}.py", *options])
    with pytest.raises(SystemExit) as stop:
        script(name).main()
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("method", METHODS)
def test_the_step_by_hand_is_the_graph_s(script: Script, method: str) -> None:
    """The same loss and the same gradient of the encoder, from the same weights and views."""
    methods, device = script("methods"), torch.device("cpu")
    setting = methods.Setting(method, "small", 32, 8)
    program = script("loops").step_of(setting.checked(), device, 1).program
    hand = methods.ByHand(setting, program.node("augment"), device, compiled=False)
    ours = {name: list(program.node(name).parameters()) for name in program.graph.nodes}
    pairs = [(ours["encoder"] + ours["projector"], hand.online)]
    pairs += [(ours["predictor"], hand.predictor)] if method == "byol" else []
    with torch.no_grad():
        for source, copy in [*pairs, *([(pairs[0][0], hand.target)] if method != "simclr" else [])]:
            for theirs, own in zip(source, copy.parameters(), strict=True):
                own.copy_(theirs)
    if method == "moco_v2":
        hand.queue.copy_(program.node("queue").keys)
    image = images(8)
    draws = program.draw(8, torch.Generator().manual_seed(1), device)
    loss = program.forward(image, *draws)["loss"]
    by_hand, _ = hand.loss(image, draws[0])
    torch.testing.assert_close(by_hand, loss)
    loss.backward()
    by_hand.backward()
    for theirs, own in zip(ours["encoder"], hand.online[0].parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_each_call_of_a_loop_is_one_epoch_more(script: Script) -> None:
    loops, device = script("loops"), torch.device("cpu")
    checked = script("methods").Setting("moco_v2", "small", 32, 8).checked()
    training = loops.Training(checked, loops.noise(checked.graph.spec.data, 32, 2, device), device)
    training()
    training()
    assert training.done == 4
    assert training.images == 16
    assert int(training.step.program.node("queue").head) == 4 * 8, "the updates are part of it"


# -- one by one ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_overhead_compares_with_the_step_by_hand(run: Callable[..., str]) -> None:
    text = run("overhead", *TINY)
    for method in METHODS:
        ours, hand, ratio, _ = cells(text, f"{method}  ")
        assert min(number(ours), number(hand), number(ratio)) > 0


def test_crops_makes_the_views_in_both_ways(run: Callable[..., str]) -> None:
    text = run("crops", "--size", "24", "--height", "40", "--width", "48", "--batch", "2", "--repeats", "1")
    rows = [line for line in text.splitlines() if line.startswith(("as each", "in the step", "decoding"))]
    assert len(rows) == 3
    assert all(any(part.replace(",", "").replace(".", "").isdigit() for part in row.split()) for row in rows)


def test_the_probe_costs_so_much(run: Callable[..., str]) -> None:
    text = run("probe", "--method", "byol", *TINY)
    assert re.fullmatch(r"[+-]\d+\.\d\d %", cells(text, "byol  ")[0])


def test_pixels_are_judged_as_encoders_are(
    script: Script, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two colours are told apart by their pixels."""
    data = f"data={{use: image_folder, root: {pictures}, size: 32, batch: 4}}"
    monkeypatch.setattr("sys.argv", ["pixels.py", "byol", "--set", data, "--set", "evaluate.knn={k: 3}"])
    script("pixels").main()
    lines = capsys.readouterr().out.splitlines()
    assert cells("\n".join(lines), "kNN") == ["100.00 %", "linear 100.00 %", "raw pixels"]
    assert lines[-1].endswith("untrained encoder of byol")


def test_the_hand_written_head_is_as_large_as_lightly_s(script: Script) -> None:
    methods = script("methods")
    heads = pytest.importorskip("lightly.models.modules")
    kinds = {
        "byol": heads.BYOLProjectionHead,
        "simclr": heads.SimCLRProjectionHead,
        "moco_v2": heads.MoCoProjectionHead,
    }
    for method, kind in kinds.items():
        setting = methods.Setting(method, "resnet18", 32, 8)
        linear = [p.numel() for p in kind(512, setting.head.hidden, setting.head.out).parameters() if p.ndim == 2]
        assert linear == [p.numel() for p in setting.mlp(512).parameters() if p.ndim == 2]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_both_sides_of_peers_do_the_same_arithmetic(script: Script, method: str, tmp_path: Path) -> None:
    pytest.importorskip("lightly")
    peers, device = script("peers"), torch.device("cpu")
    setting = script("methods").Setting(method, "small", 32, 8)
    options = argparse.Namespace(workers=0, compile=False)
    peers.pictures(None, 32, 8, tmp_path / "pictures")
    flops = []
    for side in (peers.ours, peers.Lightly):
        epoch = side(setting, tmp_path / "pictures", "memory", options, device)
        with FlopCounterMode(display=False) as counter:
            epoch()
        flops.append(counter.get_total_flops())
    assert flops[0] == pytest.approx(flops[1], rel=0.01), "but for the loss and the crops as matrix products"


@pytest.mark.slow
def test_peers_has_both_sides_from_memory_and_from_files(run: Callable[..., str], pictures: Path) -> None:
    pytest.importorskip("lightly")
    text = run("peers", *TINY, "--batches", "1", "--images", str(pictures / "train"))
    for method in METHODS:
        for source in ("memory", "files"):
            speed, ratio, _ = cells(text, f"{method}: graphssl, {source}")
            (peer,) = cells(text, f"{method}: lightly, {source}")
            assert min(number(speed), number(ratio), number(peer)) > 0


def test_peers_runs_where_lightly_is_not_installed(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "lightly" else found(name, *a))
    text = run("peers", *TINY, "--method", "moco_v2", "--batches", "1")
    assert number(cells(text, "moco_v2: graphssl, files")[0]) > 0
    assert "lightly," not in text


def test_peers_takes_pictures_from_all_over_the_folder(script: Script, pictures: Path, tmp_path: Path) -> None:
    script("peers").pictures(pictures / "train", 32, 4, tmp_path / "some")
    shown = [Image.open(p).getpixel((0, 0)) for p in sorted((tmp_path / "some" / "train").rglob("*.png"))]
    assert shown == [(0, 90, 0), (20, 90, 80), (200, 90, 0), (220, 90, 80)]
    with pytest.raises(SystemExit, match="has 16 pictures and 17 are needed"):
        script("peers").pictures(pictures / "train", 32, 17, tmp_path / "more")


@pytest.mark.slow
def test_throughput_has_every_way_that_is_asked_for(run: Callable[..., str]) -> None:
    text = run(
        "throughput", *TINY, "--setting", "32", "--method", "moco_v2", "simclr", "--batches", "1", "--way", "eager"
    )
    for method in ("moco_v2", "simclr"):
        speed, share = cells(text, f"{method}, small, 32 px, batch 8, fp32: by hand")
        assert number(speed) > 0
        assert 0 < number(share) < 100
    assert text.count("\n  eager ") == 2


@pytest.mark.gpu
def test_throughput_records_on_a_gpu(run: Callable[..., str]) -> None:
    text = run("throughput", *TINY, "--setting", "32", "--method", "moco_v2", "--way", "eager", "recorded")
    assert number(cells(text, "recorded")[0]) > 0, "and no reason why not stands in between"


# -- step_profile --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_step_profile_says_where_the_time_goes(run: Callable[..., str]) -> None:
    text = run("step_profile", "moco_v2", "--set", "data.batch=16", "--set", "nodes.encoder.width=8", "--repeats", "2")
    facts = {
        name: number(cells(text, name)[0]) for name in ("step", "arithmetic", "matrix peak", "bytes", "operations")
    }
    assert min(facts.values()) > 0
    for part in ("backward", "forward: encoder", "forward: target", "draws: augment", "optimizer", "updates", "data"):
        assert number(cells(text, part)[0]) > 0
    shares = [float(s) for s in re.findall(r"([\d.]+) %$", text, re.MULTILINE)]
    assert sum(shares[1:-1]) == pytest.approx(100, abs=1), "between the share of the peak and the sum"


def test_step_profile_says_what_is_wrong_with_a_graph(run: Callable[..., str]) -> None:
    with pytest.raises(SystemExit, match="no key is called 'widht'"):
        run("step_profile", "moco_v2", "--set", "nodes.encoder.widht=8")
    with pytest.raises(SystemExit, match="did you mean 'byol'"):
        run("step_profile", "byoll")


def test_a_part_within_a_part_counts_once(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = script("step_profile")
    now = [0.0]
    monkeypatch.setattr(profile.time, "perf_counter", lambda: now[0])
    clock = profile.Clock(torch.device("cpu"))

    def passes(seconds: float) -> None:
        now[0] += seconds

    inner = clock.timed("inner", lambda: passes(2))

    def outer() -> None:
        passes(1)
        inner()
        inner()

    clock.timed("outer", outer)()
    assert clock.seconds == {"inner": 4, "outer": 1}


def test_bytes_are_those_of_what_computes(script: Script) -> None:
    a, b = torch.ones(10), torch.ones(10)
    with script("step_profile").Traffic() as traffic:
        a.view(2, 5)
        a + b
    assert traffic.bytes == 3 * 10 * 4
    assert traffic.operations == 2


# -- scaling -------------------------------------------------------------------------------------------------


def test_scaling_writes_a_table_and_a_plot(run: Callable[..., str], tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "scaling.png"
    text = run("scaling", "--sweep", "queue", "deep", "--points", "2", "--repeats", "1", "--plot", str(plot))
    first, second, slope, needed = cells(text, "step, ms")[:4]
    assert min(number(first), number(second)) > 0
    assert needed == "1"
    assert len(cells(text, "compile, ms")) >= 4
    assert float(slope) < 3
    assert Image.open(plot).format == "PNG"


def test_a_result_is_read_as_it_was_written(script: Script) -> None:
    scaling = script("scaling")
    costs = {"load": [0.0011, 1.5], "compile": [0.25, 12.0]}
    text = "\n".join(scaling.table(scaling.rows(scaling.GRAPHS[name], (10, 1000), costs)) for name in ("deep", "wide"))
    assert scaling.read(text) == {name: ([10, 1000], costs) for name in ("deep", "wide")}


def test_labels_of_a_plot_do_not_overlap(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, *a, **k: (drawn.append(own), save(own, *a, **k)))
    scaling = script("scaling")
    sweeps = {
        name: (sweep.values, {"step": [0.02 * 2**i for i in range(len(sweep.values))]})
        for name, sweep in scaling.STEPS.items()
    }
    scaling.draw(sweeps, tmp_path / "plot.png")
    for axes in drawn[0].axes[: len(sweeps)]:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both") if label.get_text()]
        assert len(boxes) >= 4
        for left, right in itertools.pairwise(boxes):
            assert left.x1 < right.x0


def test_the_exponent_is_that_of_the_larger_half(script: Script) -> None:
    values = [1, 2, 4, 8]
    assert script("scaling").exponent(values, [5, 5, 4**1.5, 8**1.5]) == pytest.approx(1.5)


def test_what_grows_faster_than_it_must_is_marked(script: Script) -> None:
    scaling = script("scaling")
    sweep = scaling.Sweep("things", (1, 10, 100, 1000), 1, str)
    rows = scaling.rows(sweep, sweep.values, {"good": [1, 10, 100, 1000], "bad": [1, 10, 1000, 100_000]})
    assert [row[-1] for row in rows[1:]] == ["", "grows faster than it must"]


@pytest.mark.parametrize("name", ["batch", "queue", "bank", "whole bank", "views", "pairs", "deep", "wide"])
def test_the_number_of_a_sweep_is_one_of_its_graph(script: Script, name: str) -> None:
    scaling = script("scaling")
    sweep = {**scaling.STEPS, **scaling.GRAPHS}[name]
    few, more = (scaling._loaded(sweep.text(value)) for value in sweep.values[:2])
    if name in ("bank", "whole bank"):
        assert [sweep.samples(value) for value in sweep.values[:2]] == list(sweep.values[:2])
    else:
        assert few.hash() != more.hash()
    if name in scaling.GRAPHS:
        assert len(more.nodes) - len(few.nodes) == sweep.values[1] - sweep.values[0]


# -- how many GPUs -------------------------------------------------------------------------------------------


IMAGENET = [name for name in packaged() if name.startswith("imagenet/")]


def test_every_imagenet_recipe_says_how_many_gpus_it_needs(script: Script) -> None:
    gpus = script("gpus")
    assert gpus.recipes() == IMAGENET
    for name in IMAGENET:
        header = (gpus.RECIPES / f"{name}.yaml").read_text().splitlines()[:3]
        assert header[2] + "\n" == gpus.line(name, gpus.said(name)), name


@pytest.mark.parametrize(
    "name", [n if n == "imagenet/dim_global" else pytest.param(n, marks=pytest.mark.slow) for n in IMAGENET]
)
def test_it_is_what_the_forecast_says(script: Script, name: str) -> None:
    gpus, checked = script("gpus"), validated(name)
    count = gpus.said(name)
    assert gpus.fits(checked, count)
    assert count == 1 or not gpus.fits(checked, count // 2)


def test_the_smallest_number_of_gpus_is_written(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus = script("gpus")
    (tmp_path / "imagenet").mkdir()
    path = tmp_path / "imagenet" / "dim_global.yaml"
    path.write_text((gpus.RECIPES / "imagenet/dim_global.yaml").read_text())
    monkeypatch.setattr(gpus, "RECIPES", tmp_path)
    monkeypatch.setattr(gpus, "GPU", 2.4e9)  # of which 2.16 may be taken, and one process holds 2.23
    monkeypatch.setattr("sys.argv", ["gpus.py", "--write", "imagenet/dim_global"])
    gpus.main()
    assert "  2 x   2.1" in capsys.readouterr().out
    assert gpus.said("imagenet/dim_global") == 2
    monkeypatch.setattr(gpus, "GPU", 1e6)
    with pytest.raises(ValueError, match="fits no number of GPUs"):
        gpus.main()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/dev").exists(), reason="counts what the loopback device carries")
def test_exchange_counts_what_is_sent(run: Callable[..., str]) -> None:
    text = run(
        "exchange", "--encoder", "small", "--batch", "8", "--repeats", "2", "--steps", "2", "--graphs", "moco_v2"
    )
    said, carried, ratio = map(number, cells(text, "moco_v2"))
    assert carried >= 0.95 * said
    assert ratio == pytest.approx(carried / said, abs=1e-3)
    assert len(cells(text, "simclr")) == 4


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_runs_go_on_after_faults(run: Callable[..., str]) -> None:
    """One of each kind that needs no luck: what is told of more of them is in `results/`."""
    text = run("faults", "--times", "1", "--steps", "8", "--faults", "kill", "write", "disk", "twice", "server_500")
    rows = [line for line in text.splitlines() if re.search(r"  1 +\d +1 +1 +0$", line)]
    assert len(rows) == 5, text


@pytest.mark.slow
def test_a_soak_says_whether_anything_grows(run: Callable[..., str]) -> None:
    text = run("soak", "--graph", "simclr", "--minutes", "0.6")
    for what in ("MiB", "handles", "threads", "ms a step"):
        found = re.search(rf"^{what}, last quarter over the second: ([\d.]+)$", text, re.M)
        assert found, text
        assert what == "ms a step" or 0.5 < float(found[1]) < 2


def test_a_run_that_ends_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """What `faults.py` takes for a torn write is one."""
    sets = [
        "--set",
        "train.steps=3",
        "--set",
        "train.checkpoint.steps=1",
        "--set",
        "evaluate={knn: null, monitor: null}",
    ]
    words = [
        sys.executable,
        str(BENCHMARKS / "torn.py"),
        "2",
        "0.5",
        "run",
        "simclr",
        "--device",
        "cpu",
        "--name",
        "a",
        *sets,
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=180)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = sorted((tmp_path / "runs/a/checkpoints").iterdir())
    assert [path.name for path in left][1:] == ["step-00000001.pt"]
    assert left[0].name.endswith(".tmp")
    assert 0.3 < left[0].stat().st_size / left[1].stat().st_size < 0.9


# -- beside lightly ------------------------------------------------------------------------------------------


BESIDE = ("--batch", "8", "--queue", "16", "--epochs", "2", "--every", "1", "--width", "8")


def test_beside_keeps_what_is_done_and_goes_on(
    run: Callable[..., str], script: Script, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, record = script("beside"), tmp_path / "record.jsonl"
    asked = ("--images", str(pictures), "--record", str(record), "--method", "moco_v2", *BESIDE)
    monkeypatch.setattr(beside, "SIDES", {"graphssl": beside.Ours, "lightly": beside.Ours})  # also where it is not
    monkeypatch.setattr(beside.importlib.util, "find_spec", lambda _name: True)
    run("beside", *asked, "--seeds", "0")
    record.write_text(record.read_text() + '{"method": "moco_v2", "seed": 1, "si')  # killed as it wrote
    trained, seeds = beside.trained, []
    monkeypatch.setattr(
        beside, "trained", lambda setting, seed, *rest: seeds.append(seed) or trained(setting, seed, *rest)
    )
    text = run("beside", *asked, "--seeds", "0", "1", "--plot", str(tmp_path / "curves.png"))
    assert seeds == [1]
    assert cells(text, "moco_v2")[0] == "2"
    assert "+0.00" in text, "one seed of one graph is the same twice"
    assert (tmp_path / "curves.png").stat().st_size > 1000
    found = beside.kept(record, {})
    assert [(r["seed"], r["side"]) for r in found] == [(s, side) for s in (0, 1) for side in ("graphssl", "lightly")]
    assert all(list(r["knn"]) == ["0", "1", "2"] and r["steps"] == 4 and r["seconds"] > 0 for r in found)
    with pytest.raises(SystemExit, match=r"results of epochs 2, and not 3: name another --record"):
        run("beside", *asked, "--epochs", "3")


def test_the_difference_of_two_sides_is_welch_s(script: Script) -> None:
    from scipy.stats import ttest_ind

    ours, theirs = [0.51, 0.54, 0.55], [0.50, 0.47, 0.52]
    difference, half = script("beside").compared(ours, theirs)
    expected = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (difference - half, difference + half) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("method", ["simclr", "byol", "moco_v2", "simsiam", "barlow_twins"])
def test_both_sides_have_the_same_weights_steps_and_rates(script: Script, pictures: Path, method: str) -> None:
    pytest.importorskip("lightly")
    twins = script("twins")
    setting = twins.Setting(method, pictures, epochs=3, batch=8, queue=16, width=8)
    ours, theirs = (side(setting, 0, torch.device("cpu")) for side in (twins.Ours, twins.Lightly))
    groups = theirs.optimizer.param_groups
    sizes = [sorted(p.shape for p in parameters) for parameters in (ours.training.step.parameters, groups[0]["params"])]
    assert sizes[0] == sizes[1]
    for epoch in range(3):
        assert groups[0]["lr"] == pytest.approx(twins.rate_of_epoch(setting, epoch))
        ours()
        theirs()
        assert [g["lr"] for g in ours.training.step.optimizer.param_groups] == pytest.approx(
            len(ours.training.step.optimizer.param_groups) * [twins.rate_of_epoch(setting, epoch)]
        )
    assert ours.steps == theirs.steps == 6


def test_all_methods_have_the_same_views(script: Script, pictures: Path) -> None:
    twins = script("twins")
    settings = [twins.Setting(method, pictures, epochs=1, batch=8, queue=16) for method in twins.TWINS]
    found = [check(f"cifar10/{s.method}", s.sets()).graph.resolved() for s in settings]
    views, encoders = ([graph["nodes"][name] for graph in found] for name in ("augment", "encoder"))
    assert views == len(found) * [views[0]]
    assert encoders == len(found) * [encoders[0]]
    shown = [views[0][key] for key in ("style", "hue", "strength", "solarize", "blur")]
    assert shown == ["torchvision", 0.2, 0.5, 0, 0]


def test_both_sides_have_the_same_loss(script: Script, pictures: Path) -> None:
    """Of the same views and weights: heads, norms, temperatures and scales are alike."""
    pytest.importorskip("lightly")
    twins = script("twins")
    for method in twins.TWINS:
        setting = twins.Setting(method, pictures, epochs=1, batch=8, queue=16, width=8)
        ours, theirs = (side(setting, 0, torch.device("cpu")) for side in (twins.Ours, twins.Lightly))
        program = ours.training.step.program
        nodes = {"encoder": theirs.encoder, "projector": theirs.projection, "predictor": theirs.prediction}
        with torch.no_grad():
            for name, module in nodes.items():
                if module is not None:
                    for own, other in zip(program.node(name).parameters(), module.parameters(), strict=True):
                        own.copy_(other)
            for part in ("encoder", "projector") if theirs.slow else ():
                source = dict(program.node(part).named_parameters())
                for name, own in program.node("target").named_parameters():
                    if name.startswith(f"{part}."):
                        own.copy_(source[name.removeprefix(f"{part}.")])
        if method == "moco_v2":
            program.node("queue").keys.copy_(theirs.criterion.memory_bank.bank)
        image = images(8)
        draws = program.draw(8, torch.Generator().manual_seed(1), torch.device("cpu"))
        x0, x1 = program.node("augment")(image, draws[0])
        loss = program.forward(image, *draws)["loss"].item()
        other = theirs.loss(x0, x1).item()
        offset = 1.0 if method in ("byol", "simsiam") else 0.0  # 1 - cos, and -cos
        assert loss == pytest.approx(other + offset, rel=1e-4, abs=1e-5), method
