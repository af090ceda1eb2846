"""What is known of a data set before it is read.

Means and standard deviations are those of the training split's pixels, per channel, where white is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import spec
from ..component import DataFacts
from .folder import count

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Known:
    """A named set: training samples, classes, the size at which its images are kept, pixel statistics."""

    samples: int | None
    classes: int | None
    size: int
    mean: Channels
    std: Channels


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KNOWN = {
    "digits": Known(1500, 10, 32, (0.3090,) * 3, (0.3499,) * 3),
    "cifar10": Known(50_000, 10, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Known(50_000, 100, 32, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": Known(60_000, 10, 28, (0.2860,) * 3, (0.3530,) * 3),
    "svhn": Known(73_257, 10, 32, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    # 5,000 labelled and 100,000 unlabelled; the statistics are those of the labelled ones.
    "stl10": Known(105_000, 10, 96, (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
    "imagenet": Known(1_281_167, 1000, 224, IMAGENET_MEAN, IMAGENET_STD),
    "image_folder": Known(None, None, 224, IMAGENET_MEAN, IMAGENET_STD),
}


def facts(data: spec.Data) -> DataFacts:
    """The facts of a data set; needs no file and reads no image.

    For `image_folder` the files are counted if the root is there (else `samples` and `classes` are None),
    images are kept at 224 x 224 unless `size` says otherwise, and the pixel statistics are ImageNet's.
    """
    known = KNOWN[data.use]
    samples, classes = known.samples, known.classes
    if data.use == "image_folder" and data.root is not None:
        samples, classes = count(data.root)
    size = data.size or known.size
    return DataFacts(height=size, width=size, samples=samples, classes=classes, mean=known.mean, std=known.std)
