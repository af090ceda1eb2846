"""L*a*b* of one pixel by its formulas, and as augment.lab scales it."""

from __future__ import annotations

# sRGB to XYZ of IEC 61966-2-1 and the white D65; scaled as in CMC's code.
TO_XYZ = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
D65 = [0.95047, 1.0, 1.08883]


def formula(rgb: list[float]) -> tuple[float, float, float]:
    """L*, a* and b* of one pixel, unscaled."""
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in rgb]
    xyz = [sum(w * c for w, c in zip(row, linear, strict=True)) / white for row, white in zip(TO_XYZ, D65, strict=True)]
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def scaled(values: tuple[float, float, float]) -> list[float]:
    lightness, a, b = values
    return [
        (lightness - 50) / 50,
        (a - (98.233 - 86.183) / 2) / ((98.233 + 86.183) / 2),
        (b - (94.478 - 107.857) / 2) / ((94.478 + 107.857) / 2),
    ]
