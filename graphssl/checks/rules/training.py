"""G4: the data and the training."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problems, in_file_order
from ...graph.language.source import SET
from ..inference import find_shapes
from ..shapes import Shapes
from .facts import Facts
from .negatives import in_batch_nodes
from .rule import rule


@rule("G401", "labels in a pretext loss", "error")
def no_labels(facts: Facts, found: Problems) -> None:
    """Labels should not flow into a self-supervised loss, neither within a step nor through a state.

    A supervised one, such as supervised contrastive learning (Khosla et al. 2020, arXiv:2004.11362), says so with
    `allow: [G401]`.
    """
    label = facts.graph.batch.get("label")
    if label is None:
        return
    behind = {term.name: facts.behind(term) for term in facts.graph.terms}
    for call in facts.graph.calls:
        terms = [f"'{name}'" for name, calls in behind.items() if call.id in calls]
        if terms and label in call.inputs():
            use = "uses" if len(terms) == 1 else "use"
            found.add(f"{' and '.join(terms)} {use} the labels", call.span, "is it meant? then write allow: [G401]")


@rule("G402", "a batch larger than the data set", "error")
def batch_fits_data(facts: Facts, found: Problems) -> None:
    """An epoch of such a data set has no optimizer step: it takes `train.accumulate` batches for each.

    With `last: drop` the batches are whole ones, with `last: keep` the last may be short.
    """
    batch, spec = facts.shapes.batch, facts.graph.spec
    accumulate = spec.train.accumulate
    least = batch * accumulate if spec.data.last == "drop" else batch * (accumulate - 1) + 1
    samples = facts.shapes.data.fewer_than(least)
    if samples is not None:
        times = f" times train.accumulate ({accumulate})" if accumulate > 1 else ""
        found.add(f"the batch of {batch}{times} is larger than the data set of {samples}", facts.at("data", "batch"))


def _batches(facts: Facts, samples: int) -> int:
    """Batches in an epoch."""
    batch = facts.shapes.batch
    return samples // batch if facts.graph.spec.data.last == "drop" else -(-samples // batch)


def _steps(facts: Facts, samples: int) -> int:
    """Steps in an epoch."""
    return _batches(facts, samples) // facts.graph.spec.train.accumulate


@rule("G403", "a warm-up longer than the training", "warning")
def warmup_is_shorter(facts: Facts, found: Problems) -> None:
    """The learning rate then reaches its full value at the last step or never.

    SimCLR and BYOL warm up for 10 of up to 1000 epochs (Chen et al. 2020, arXiv:2002.05709, section 2.3; Grill et
    al. 2020, arXiv:2006.07733, section 3.3). `train.schedule.warmup` counts epochs, of which `train.steps` may hold
    less than one.
    """
    train, warmup = facts.graph.spec.train, facts.graph.spec.train.schedule.warmup
    at, long = facts.at("train", "schedule", "warmup"), f"{warmup:g} epoch{'' if warmup == 1 else 's'}"
    if facts.at("train", "epochs").file == SET != at.file:  # what came last is what does not go with the rest
        at = facts.at("train", "epochs")
    if train.steps is None:
        if warmup >= train.epochs:
            hint = f"train.schedule.warmup below {train.epochs}, also a part of an epoch such as 0.1, or 0 for none"
            found.add(f"the warm-up of {long} takes all of the {train.epochs}", at, hint)
    elif warmup and (samples := facts.shapes.data.samples) is not None:
        per_epoch = _steps(facts, samples)
        steps = round(warmup * per_epoch)
        if steps >= train.steps:
            hint = f"an epoch has {per_epoch} steps"
            found.add(f"the warm-up of {long}, {steps} steps, takes all of train.steps: {train.steps}", at, hint)


@rule("G405", "steps and epochs both given", "warning")
def one_length(facts: Facts, found: Problems) -> None:
    """`train.steps` ends the training whatever `train.epochs` says, so a file gives one of the two.

    Steps on top of the epochs of a file that is extended, or by `--set`, are no slip and not warned of.
    """
    train = facts.graph.spec.train
    if train.steps is not None and {"steps", "epochs"} <= train.model_fields_set:
        at, other = facts.at("train", "steps", key=True), facts.at("train", "epochs", key=True)
        if at.file == other.file:
            found.add(f"steps: {train.steps} and epochs: {train.epochs} are both given: steps wins", at, "take one out")


@rule("G406", "a last batch that the graph cannot take", "error")
def last_batch_fits(facts: Facts, found: Problems) -> None:
    """With `data.last: keep` the last batch of an epoch is what is left over, and each node must be able to take it.

    Batch norm takes no single vector (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1: its variance is 0),
    split batch norm no batch that `splits` does not divide, and a single sample has no in-batch negatives. With
    `train.accumulate` an update takes the values of several batches as one, so the last one's may differ in nothing but
    how many samples they are of; scores with in-batch negatives have as many columns as the batch has samples.
    """
    left = _short_batch(facts)
    if left is None:
        return
    reasons = [f"'{name}' finds no negatives in it" for name in in_batch_nodes(facts)] if left == 1 else []
    wrong = Problems()
    short = find_shapes(facts.graph, facts.shapes.data, left, wrong)
    if short is None:
        reasons.insert(0, in_file_order(wrong)[0].message)
    else:
        reasons += dict.fromkeys(_unlike(facts, short))
    if reasons:
        samples, batch = facts.shapes.data.samples, facts.shapes.batch
        size = f"the last batch of an epoch has {left} of {batch} samples ({samples} % {batch})"
        hint = f"last: drop leaves it out; with a batch that divides {samples} there is none"
        found.add(f"{size}: {'; '.join(reasons)}", facts.at("data", "last"), hint)


def _unlike(facts: Facts, short: Shapes) -> Iterator[str]:
    """Why updates cannot take what a short batch gives together with what whole ones give."""
    if facts.graph.spec.train.accumulate == 1:
        return
    for call in facts.graph.update_calls():
        for slot in call.inputs():
            sizes = [[shape[1:] for shape in shapes.slots[slot.id]] for shapes in (facts.shapes, short)]
            if slot.axes[0][:1] not in ((), ("n",)) and sizes[0] != sizes[1]:
                of = "columns" if slot.kind == "scores" else "sizes"
                what = f"'{call.node}.{call.method}' cannot take {slot.kind} of several batches together"
                yield f"{what} (train.accumulate), as the {of} depend on the batch"
                break


def _short_batch(facts: Facts) -> int | None:
    """The size of a last batch that is short and that a step takes; None where there is none, or nobody knows."""
    train, samples = facts.graph.spec.train, None
    if facts.graph.spec.data.last == "keep":  # only then is it asked: the files of a folder take long to count
        samples = facts.shapes.data.samples
    if not samples:
        return None
    batches = _batches(facts, samples)
    # Batches that fill no group of train.accumulate are left out, and train.steps may end before an epoch does.
    per_epoch, left_out = divmod(batches, train.accumulate)
    taken = not left_out and (train.steps is None or train.steps >= per_epoch)
    return samples % facts.shapes.batch or None if taken else None


@rule("G407", "a rate for a node without weights", "warning")
def rates_have_weights(facts: Facts, found: Problems) -> None:
    """`train.nodes` gives factors to nodes that the optimizer changes; for others they have no effect.

    A target follows its nodes, a queue and a bank are written, and cosine has nothing to learn. SimSiam's predictor
    with a constant rate (Chen and He 2021, arXiv:2011.10566, section 4.2) is what this section is for.
    """
    known = [name for name in facts.graph.nodes if name in facts.trainable]
    for name in facts.graph.spec.train.nodes:
        if name in facts.graph.nodes and name not in known:
            at = facts.at("train", "nodes", name, key=True)
            hint = f"nodes with weights are {', '.join(known)}"
            found.add(f"'{name}' has no weights to train: its rate has no effect", at, hint)


@rule("G408", "recomputation without anything to recompute", "warning")
def recompute_has_effect(facts: Facts, found: Problems) -> None:
    """`recompute: true` makes a node's activations again in the backward pass, instead of keeping them.

    It saves memory where a node has weights that are trained, blocks one after the other above all (Chen et al. 2016,
    arXiv:1604.06174). Of a target, a queue or a bank nothing is kept, since no gradient passes, and a critic or an
    objective without weights keeps little.
    """
    known = [name for name in facts.graph.nodes if name in facts.trainable]
    for name, node in facts.graph.nodes.items():
        if node.common_keys.recompute and name not in known:
            at = facts.at("nodes", name, "recompute", key=True)
            hint = f"nodes with weights are {', '.join(known)}"
            found.add(f"'{name}' has no weights to train: recompute has no effect on it", at, hint)


@rule("G410", "an update that comes too late", "warning")
def updates_are_read(facts: Facts, found: Problems) -> None:
    """What an update with `every: epoch` writes, the epochs after it read; a training of one epoch has none.

    Clusters are assigned at the end of an epoch for the next one (DeepCluster-v2, Caron et al. 2020, arXiv:2006.09882,
    appendix D), and until then there is nothing to learn from them.
    """
    train, samples = facts.graph.spec.train, facts.shapes.data.samples
    late = train.epochs <= 1 if train.steps is None else samples is not None and train.steps <= _steps(facts, samples)
    for call in facts.graph.update_calls("epoch") if late else ():
        message = f"'{call.node}' is written at the end of the only epoch, and nothing reads it after that"
        found.add(message, call.span, "train for more epochs")


@rule("G411", "clusters that are found anew in each step", "warning")
def clusters_are_found_between_epochs(facts: Facts, found: Problems) -> None:
    """k-means looks at every entry of a bank: once an epoch, as in DeepCluster-v2 and PCL, and not after each step.

    (Caron et al. 2020, arXiv:2006.09882, appendix D; Li et al. 2021, arXiv:2005.04966, algorithm 1.) Entries that one
    step has written hardly move the centroids, and of a large set k-means takes longer than the step.
    """
    for call in facts.graph.update_calls("step"):
        if not list(call.inputs()) and "fits" in facts.graph.nodes[call.node].component.traits:
            hint = f"{call.node}: {{call: {call.method}(), every: epoch}}"
            found.add(f"'{call.node}' looks at its whole bank after each step", call.span, hint)
