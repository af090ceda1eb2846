"""What an encoder has to beat: raw pixels, and the untrained encoder, of a graph's data set, by kNN and linear.

    python benchmarks/pixels.py [GRAPH] [--set KEY=VALUE ...]

Uses the graph's own `evaluate.knn` (weighted), `logistic` as benchmarks/learn.py does, and both splits of its data,
normalised as for an encoder.
"""

from __future__ import annotations

import argparse

import torch
from torch import nn

from graphssl.api import check, compile
from graphssl.data import open_data
from graphssl.errors import GraphError, RunError
from graphssl.evaluation import Context
from graphssl.evaluation.knn import Knn
from graphssl.evaluation.logistic import Logistic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", nargs="?", default="byol")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    device = torch.device("cpu")
    try:
        checked = check(options.graph, options.sets)
        spec = checked.graph.spec
        data = open_data(spec.data, device, spec.train.seed)
    except (GraphError, RunError) as error:
        raise SystemExit(str(error)) from None
    knn = spec.evaluate.asked.get("knn") or Knn.Config()
    size = checked.image_size(checked.features or "")
    assert isinstance(knn, Knn.Config)
    print(f"{spec.data.use}, kNN k = {knn.k}, temperature {knn.temperature:g}")
    modules: dict[str, nn.Module] = {"raw pixels": nn.Flatten()}
    if checked.features is not None:
        modules[f"untrained {checked.features} of {checked.graph.name}"] = compile(checked).features(checked.features)
    for name, module in modules.items():
        context = Context(module, data, checked.data, size, spec.data.batch, device)
        nearest = Knn(knn).run(context).scores["knn"]
        linear = Logistic(Logistic.Config()).run(context).scores["logistic"]
        print(f"kNN {100 * nearest:6.2f} %  linear {100 * linear:6.2f} %  {name}")
    data.close()


if __name__ == "__main__":
    main()
