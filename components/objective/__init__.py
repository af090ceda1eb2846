"""Objectives: estimators on scores, and losses on embeddings, one number each."""

from __future__ import annotations

from .alignment import Alignment
from .classification import Classification
from .cross_correlation import CrossCorrelation
from .cross_entropy import CrossEntropy
from .decoupled import Decoupled
from .distance import Distance
from .dv import DonskerVaradhan
from .f_divergence import FDivergence
from .infonce import InfoNCE
from .jsd import JSD
from .koleo import KoLeo
from .margin import Margin
from .multi_positive import MultiPositive
from .n_pair import NPair
from .nce import NCE
from .nce_fixed import FixedNCE
from .nce_learned import LearnedNCE
from .norm import Norm
from .nwj import NWJ
from .regression import Regression
from .score_penalty import ScorePenalty
from .triplet import Triplet
from .uniformity import Uniformity
from .variance_covariance import VarianceCovariance

__all__ = [
    "JSD", "NCE", "NWJ", "Alignment", "Classification", "CrossCorrelation", "CrossEntropy", "Decoupled", "Distance",
    "DonskerVaradhan", "FDivergence", "FixedNCE", "InfoNCE", "KoLeo", "LearnedNCE", "Margin", "MultiPositive",
    "NPair", "Norm", "Regression", "ScorePenalty", "Triplet", "Uniformity", "VarianceCovariance",
]  # fmt: skip
