"""Objectives: estimators on scores, one number each."""

from __future__ import annotations

from .infonce import InfoNCE
from .regression import Regression

__all__ = ["InfoNCE", "Regression"]
