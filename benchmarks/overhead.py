"""What the framework costs: a graph's step against the same step written by hand in plain torch.

    python benchmarks/overhead.py [--method byol simclr moco_v2] [--encoder resnet18] [--batch 64] [--compile]

Both sides augment with the same component, use torchvision's ResNet with a 3x3 stem, the same heads, optimizer and
precision, and run in turn in one process. The hand-written step knows nothing of graphs; it is `ByHand` in
`methods.py`. The ratio is ours over hand-written in images/s; 1 is no cost.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from common import arguments, interleave, machine, positive, publish, ratios, table, wait
from loops import step_of
from methods import ENCODERS, METHODS, ByHand, Setting

from graphssl.data import Batch


def measure(setting: Setting, device: torch.device, compiled: bool, repeats: int) -> list[str]:
    """A row of the table."""
    checked = setting.checked(f"train.compile={'on' if compiled else 'off'}", "train.cuda_graph=off")
    step = step_of(checked, device, 1000)
    hand = ByHand(setting, step.program.node("augment"), device, compiled)
    image = torch.randint(0, 256, (setting.batch, 3, setting.size, setting.size), dtype=torch.uint8, device=device)
    index = torch.arange(setting.batch, device=device)
    batch = Batch(image, index, index)
    count = iter(range(10**9))

    def one(run: Callable[[int], object]) -> None:
        run(next(count))
        wait(device)

    seconds = interleave(
        {"ours": lambda: one(lambda t: step(t, [batch])), "hand": lambda: one(lambda t: hand(t, batch))}, repeats
    )
    speed = {name: setting.batch / statistics.median(s) for name, s in seconds.items()}
    return [setting.method, *(f"{s:,.1f}" for s in speed.values()), *ratios(seconds["ours"], seconds["hand"])]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--encoder", choices=ENCODERS, default="resnet18")
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--repeats", type=positive, default=11)
    parser.add_argument("--compile", action="store_true", help="torch.compile both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [["method", "ours images/s", "by hand", "ratio", "range"]]
    for method in options.method:
        torch._dynamo.reset()
        setting = Setting(method, options.encoder, 32, options.batch)
        rows.append(measure(setting, options.device, options.compile, options.repeats))
    how = f"{options.encoder}, 32 px, batch {options.batch}, {'compiled' if options.compile else 'eager'}"
    how += f", {options.threads} thread(s), {options.repeats} pairs after one warm-up"
    publish(f"{machine()}\n{how}\n\n{table(rows)}\n", options.output)


if __name__ == "__main__":
    main()
