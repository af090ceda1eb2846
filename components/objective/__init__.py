"""Objectives: estimators on scores, and losses on embeddings, one number each."""

from __future__ import annotations

from .alignment import Alignment
from .barlow_twins import BarlowTwins
from .cross_entropy import CrossEntropy
from .dcl import DCL
from .dv import DonskerVaradhan
from .f_divergence import FDivergence
from .infonce import InfoNCE
from .jsd import JSD
from .koleo import KoLeo
from .margin import Margin
from .n_pair import NPair
from .nce import NCE
from .nce_fixed import FixedNCE
from .nce_learned import LearnedNCE
from .norm import Norm
from .nwj import NWJ
from .regression import Regression
from .score_penalty import ScorePenalty
from .supcon import SupCon
from .triplet import Triplet
from .uniformity import Uniformity
from .vicreg import VICReg

__all__ = [
    "DCL", "JSD", "NCE", "NWJ", "Alignment", "BarlowTwins", "CrossEntropy", "DonskerVaradhan", "FDivergence",
    "FixedNCE", "InfoNCE", "KoLeo", "LearnedNCE", "Margin", "NPair", "Norm", "Regression", "ScorePenalty", "SupCon",
    "Triplet", "Uniformity", "VICReg",
]  # fmt: skip
