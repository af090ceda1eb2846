"""What is known of a data set before it is read.

Means and standard deviations are those of the training split's pixels, per channel, where white is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .. import spec
from ..component import DataFacts
from .folder import count, fewer_than

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
    "webdataset": Known(None, None, 224, IMAGENET_MEAN, IMAGENET_STD),
}


class FolderFacts(DataFacts):
    """Facts of a folder of pictures. Its files are counted when somebody asks, which few do: it may take minutes."""

    root: str

    def __init__(self, root: str, size: int, mean: Channels, std: Channels) -> None:
        super().__init__(height=size, width=size, mean=mean, std=std)
        vars(self)["root"] = root
        del vars(self)["samples"], vars(self)["classes"]  # they would hide what is counted

    @cached_property
    def _counted(self) -> tuple[int | None, int | None]:
        return count(self.root)

    @cached_property
    def samples(self) -> int | None:
        return self._counted[0]

    @cached_property
    def classes(self) -> int | None:
        return self._counted[1]

    def fewer_than(self, n: int) -> int | None:
        """The number of training samples where it is known to be below n; looks at few more than n files."""
        return fewer_than(self.root, n)


def facts(data: spec.Data) -> DataFacts:
    """The facts of a data set; needs no file and reads no image.

    For `image_folder` the files are counted when `samples` or `classes` is asked for (None if the root is not there),
    images are kept at 224 x 224 unless `size` says otherwise, and the pixel statistics are ImageNet's. So it is for
    `webdataset`, whose number of samples is `data.samples`, and whose classes nobody knows before it is read.
    """
    known = KNOWN[data.use]
    size = data.size or known.size
    if data.use == "image_folder" and data.root is not None:
        return FolderFacts(data.root, size, known.mean, known.std)
    samples = data.samples or known.samples
    return DataFacts(height=size, width=size, samples=samples, classes=known.classes, mean=known.mean, std=known.std)
