"""Collapse monitors: numbers that say, while training goes on, whether embeddings still tell samples apart."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional


def measure(a: Annotated[Tensor, "b d"], b: Annotated[Tensor, "b d"]) -> dict[str, float]:
    """The monitors on two views' embeddings of the same samples, as plain numbers, read from the device at once.

    std: `spread`; effective_rank: `effective_rank`, and effective_rank_share: its share of the largest possible,
    min(b, d). Of these the lower of the two views': one collapsed view is enough. alignment, uniformity (Wang &
    Isola 2020, arXiv:2005.10242; alpha 2, t 2, uniformity averaged over the views) and cosine, the mean between
    different samples of a view. A batch of one has an alignment only: the rest compares samples.
    """
    with torch.no_grad():
        views = [v.detach().to(_precise(v)) for v in (a, b)]
        unit = [functional.normalize(v, dim=1) for v in views]
        values = {"alignment": alignment(*unit)}
        if len(a) > 1:
            rank = torch.stack([effective_rank(v) for v in views]).amin()
            values["std"] = torch.stack([spread(u) for u in unit]).amin()
            values["effective_rank"] = rank
            values["effective_rank_share"] = rank / min(a.shape)
            values["uniformity"] = torch.stack([uniformity(u) for u in unit]).mean()
            values["cosine"] = torch.stack([mean_cosine(u) for u in unit]).mean()
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def spread(unit: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
    """Standard deviation of unit vectors per dimension, averaged, times sqrt(d): 1 isotropic, 0 collapsed
    (Chen & He 2020, arXiv:2011.10566, section 4.1)."""
    return unit.std(dim=0).mean() * math.sqrt(unit.shape[1])


def effective_rank(embeddings: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
    """exp of the entropy of the singular values, scaled to sum to 1: from 1 to min(b, d).

    Source: Roy & Vetterli 2007, "The effective rank", definition 1; RankMe (Garrido et al. 2023, arXiv:2210.02885,
    eq. 1) on embeddings as they are, neither centred nor normalised. NaN for embeddings that are not finite.
    """
    # The decomposition throws on what is not finite; the monitor must not end a training run.
    values = torch.linalg.svdvals(embeddings.nan_to_num(0.0, 0.0, 0.0))
    share = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    rank = (-torch.xlogy(share, share).sum()).exp()
    return torch.where(embeddings.isfinite().all(), rank, torch.nan)


def alignment(a: Annotated[Tensor, "b d"], b: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
    """Mean squared distance of the two unit vectors of a sample (Wang & Isola 2020, section 4.1.1, alpha 2)."""
    return (a - b).square().sum(dim=1).mean()


def uniformity(unit: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
    """log of the mean, over pairs of samples, of exp(-2 squared distance); lower is more uniform, 0 is one point
    (Wang & Isola 2020, section 4.1.2, t 2)."""
    return functional.pdist(unit).square().mul(-2).exp().mean().log()


def mean_cosine(unit: Annotated[Tensor, "b d"]) -> Annotated[Tensor, ""]:
    """Mean cosine of two different samples: near 0 when spread out, 1 when collapsed."""
    b = len(unit)
    return (unit.sum(dim=0).square().sum() - unit.square().sum()) / (b * (b - 1))


def _precise(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
