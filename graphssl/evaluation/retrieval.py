"""Retrieval: whether the pictures whose features are nearest to a query's are of its class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from ..errors import RunError
from .context import Context
from .figures import Figures, interval_of_accuracy, interval_of_mean
from .knn import Several
from .labelled import Labelled
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation

__all__ = ["Ranked", "Retrieval", "rank"]

NOTHING_TO_FIND = "no held-out picture has another one of its class in the gallery"
SIMILARITIES = 2**22  # sorted at once, when no chunk is given: some hundred MB with all that is made of them


@evaluation("retrieval")
class Retrieval(Evaluation):
    """Mean average precision and recall, where training begins and ends."""

    title = "retrieval"
    quantity = "mean average precision"
    said = ("gallery",)
    parts = ("", r"recall_\d+", "r_precision", "map_at_r")

    class Config(EvaluationConfig):
        """Retrieval by cosine similarity: each labelled held-out picture is a query for those of its class."""

        gallery: Literal["training", "held_out"] = Field(
            default="training", description="what is searched: the training part, or `held_out`, the other queries"
        )
        k: Several[PositiveInt] = Field(
            default=[1, 5, 10],
            description="of recall at k, the share of queries that have one of their class among the k nearest",
        )

    config: Config

    def lacks(self, known: Known) -> Iterator[Lack]:
        counts, among = known.counts, self.config.gallery == "held_out"
        if counts is None or counts.judging is None or counts.learning is None:
            return
        pairs = zip(counts.judging, counts.learning, strict=True)
        if not any(n > 1 if among else (n and others) for n, others in pairs):
            yield Lack(NOTHING_TO_FIND, "gallery")
            return
        most = sum(counts.judging) - 1 if among else sum(counts.learning)
        if above := [k for k in self.config.k if k >= most]:
            own = self.config.k != type(self.config).model_fields["k"].default
            numbers = " and ".join(f"recall at {k}" for k in above)
            what = f"{numbers} would be 1 whatever is measured: {most:,} pictures are searched"
            yield Lack(what if own else f"{what}; it is left out", "k", stops=own)

    def run(self, context: Context) -> Figures:
        queries = context.held_out.known("retrieval", "held-out")
        among = self.config.gallery == "held_out"
        gallery = queries if among else context.features.reference.known("retrieval")
        found = rank(queries, gallery, self.config.k, itself=among)
        n = len(found.average_precision)
        if not n:
            raise RunError(f"retrieval: {NOTHING_TO_FIND}")
        means = {"retrieval": found.average_precision, "retrieval/r_precision": found.r_precision}
        means["retrieval/map_at_r"] = found.map_at_r
        scores = {metric: values.mean().item() for metric, values in means.items()}
        intervals = {metric: interval_of_mean(values.cpu().numpy()) for metric, values in means.items()}
        searched = len(gallery.labels) - among
        for k, hits in zip(self.config.k, found.hits.T, strict=True):
            if k >= searched:  # nothing would be left out: 1 for all features
                continue
            scores[f"retrieval/recall_{k}"] = hits.double().mean().item()
            intervals[f"retrieval/recall_{k}"] = interval_of_accuracy(int(hits.sum()), n)
        details = {"queries": n, "gallery": len(gallery.labels), "without_any_of_their_class": len(queries.labels) - n}
        return Figures(scores, intervals, details)


class Ranked(NamedTuple):
    """Of each query that has one of its class in the gallery, in float64: the average precision over the whole ranking;
    the precision among the first R, as many as are of its class; the average precision cut off there (Musgrave et al.
    2020, arXiv:2003.08505, section 2.3); and, for each k, whether one of its class is among the first k."""

    average_precision: Annotated[Tensor, "q"]
    r_precision: Annotated[Tensor, "q"]
    map_at_r: Annotated[Tensor, "q"]
    hits: Annotated[Tensor, "q k"]


def rank(
    queries: Labelled, gallery: Labelled, ks: Sequence[int] = (), *, itself: bool = False, chunk: int | None = None
) -> Ranked:
    """What is found of each query's class, by cosine similarity, over the whole ranking of the gallery.

    All have labels: see `Labelled.known`. itself: the queries are the gallery, and none finds itself. Average precision
    is the sum over all of the class of the precision at their place, over their number, where those that are equally
    near have the place of the last of them, as in scikit-learn's `average_precision_score`: it does not depend on the
    gallery's order. For the others, of equally near ones the first in the gallery comes first. chunk: queries at a
    time, by default as many as keep memory at some hundred MB.
    """
    keys = functional.normalize(gallery.features.float(), dim=1)
    size = chunk or max(SIMILARITIES // len(keys), 1)
    parts, first = [], 0
    for rows, labels in zip(queries.features.split(size), queries.labels.split(size), strict=True):
        similarity = functional.normalize(rows.float(), dim=1).to(keys.device) @ keys.T
        own = torch.arange(first, first + len(rows), device=keys.device) if itself else None
        parts.append(_ranked(similarity, labels.to(keys.device), gallery.labels, ks, own))
        first += len(rows)
    return Ranked(*(torch.cat(same) for same in zip(*parts, strict=True)))


def _ranked(
    similarity: Annotated[Tensor, "q n"], labels: Annotated[Tensor, "q"], keys: Annotated[Tensor, "n"],
    ks: Sequence[int], own: Annotated[Tensor, "q"] | None,
) -> Ranked:  # fmt: skip
    """own: where the queries are among the keys."""
    relevant = keys == labels[:, None]
    if own is not None:  # last, and not to be found
        similarity.scatter_(1, own[:, None], -torch.inf)
        relevant.scatter_(1, own[:, None], False)
    there = relevant.any(1)
    value, relevant = _in_order(similarity[there], relevant[there])
    found = relevant.cumsum(1, dtype=torch.int32)
    every = found[:, -1:].long()
    last = _last_equal(value)
    shared = found.gather(1, last) / (last + 1.0).double()
    most = int(every.max()) if len(every) else 0
    place = torch.arange(1, most + 1, dtype=torch.float64, device=keys.device)
    first = relevant[:, :most] & (place <= every)
    return Ranked(
        (shared * relevant).sum(1) / every[:, 0],
        found.gather(1, every - 1)[:, 0].double() / every[:, 0],
        (found[:, :most] / place * first).sum(1) / every[:, 0],
        torch.stack([found[:, min(k, len(keys)) - 1] > 0 for k in ks], 1) if ks else relevant[:, :0],
    )


def _in_order(similarity: Annotated[Tensor, "q n"], relevant: Annotated[Tensor, "q n"]) -> tuple[Tensor, Tensor]:
    """What orders the similarities, in falling order, and what is relevant in that order; of equal ones the first.

    Sorted is one whole number of each: the bits of the similarity, which are in its order, then its place from the end,
    and last whether it is relevant. On a CPU numpy is several times as fast as torch, which sorts where they are from.
    """
    bits = (similarity + 0.0).view(torch.int32)  # no negative zero
    bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    n = similarity.shape[1]
    place = torch.arange(n - 1, -1, -1, device=similarity.device)
    packed = (bits.long() << 32) | (place << 1) | relevant
    if packed.device.type == "cpu":
        packed.numpy().sort(axis=1)
    else:
        packed = packed.sort(dim=1).values
    packed = packed.flip(1)
    return packed >> 32, (packed & 1).bool()


def _last_equal(value: Annotated[Tensor, "q n"]) -> Annotated[Tensor, "q n"]:
    """Of each entry of rows in order, the place of the last one that is equal to it."""
    last = torch.ones_like(value, dtype=torch.bool)
    last[:, :-1] = value[:, 1:] != value[:, :-1]
    n = value.shape[1]
    place = torch.where(last, torch.arange(n, device=value.device), n)
    return place.flip(1).cummin(1).values.flip(1)
