"""Objectives: estimators on scores, and losses on embeddings, one number each."""

from __future__ import annotations

from .alignment import Alignment
from .classification import Classification
from .coding_rate import CodingRate
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
from .mean_entropy import MeanEntropy
from .moments import Moments
from .multi_positive import MultiPositive
from .n_pair import NPair
from .nce import NCE
from .nce_fixed import FixedNCE
from .nce_learned import LearnedNCE
from .norm import Norm
from .nuclear_norm import NuclearNorm
from .nwj import NWJ
from .regression import Regression
from .running_covariance import RunningCovariance
from .score_penalty import ScorePenalty
from .sliced_gaussian import SlicedGaussian
from .soft_cross_entropy import SoftCrossEntropy
from .triplet import Triplet
from .uniformity import Uniformity
from .variance_covariance import VarianceCovariance

__all__ = [
    "JSD", "NCE", "NWJ", "Alignment", "Classification", "CodingRate", "CrossCorrelation", "CrossEntropy", "Decoupled",
    "Distance", "DonskerVaradhan", "FDivergence", "FixedNCE", "InfoNCE", "KoLeo", "LearnedNCE", "Margin",
    "MeanEntropy", "Moments", "MultiPositive", "NPair", "Norm", "NuclearNorm", "Regression", "RunningCovariance",
    "ScorePenalty", "SlicedGaussian", "SoftCrossEntropy", "Triplet", "Uniformity", "VarianceCovariance",
]  # fmt: skip
