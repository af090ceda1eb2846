"""The embedded data set: scikit-learn's 1,797 handwritten digits, 1,500 to train on and 297 held out.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part): grey,
8 x 8, values 0 to 16. Each class gives the same share of the held-out samples, up to rounding; the split is
fixed. The images are enlarged to 32 x 32 (bicubic) and repeated over the three channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..graph import spec
from ..graph.spec.datasets import DATA_SETS
from .batch import Arrays
from .order import held_out

HELD_OUT = 297
WHITE = 16.0


def load(data: spec.Data) -> tuple[tuple[Arrays, Arrays], tuple[str, ...]]:
    """Training and held-out split, and the classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    label = torch.from_numpy(digits.target).to(torch.int64)
    image = _enlarge(torch.from_numpy(digits.images).float(), DATA_SETS[data.use].size)
    test = _held_out_mask(label)
    return ((image[~test], label[~test]), (image[test], label[test])), tuple("0123456789")


def _enlarge(grey: Tensor, size: int) -> Tensor:
    scaled = functional.interpolate(
        grey[:, None] * (255 / WHITE), (size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return scaled.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)


def _held_out_mask(label: Tensor) -> Tensor:
    """bool, `n`: 297 samples, by class in proportion (largest remainders)."""
    totals = torch.bincount(label).tolist()
    shares = [total * HELD_OUT // len(label) for total in totals]
    by_remainder = sorted(range(len(totals)), key=lambda c: (-(totals[c] * HELD_OUT % len(label)), c))
    for c in by_remainder[: HELD_OUT - sum(shares)]:
        shares[c] += 1
    mask = torch.zeros(len(label), dtype=torch.bool)
    for c, share in enumerate(shares):
        members = [str(i) for i in torch.nonzero(label == c).flatten().tolist()]
        mask[[int(name) for name in held_out(members, share)]] = True
    return mask
