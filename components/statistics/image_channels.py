"""Mean and standard deviation of the colour channels over all pixels, exact and mergeable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

LEVELS = np.arange(256)
REDUCED_ABOVE = 256
"""Side in pixels. Larger JPEG files are read at a half, a quarter or an eighth of their size, but
not smaller than this. That is many times faster, and makes the deviation slightly smaller.
"""


class Channels:
    """Sums of integers, so that the order of images makes no difference. RGB, 0 to 255."""

    def __init__(self) -> None:
        self.pixels = 0
        self._sums = [0, 0, 0]
        self._squares = [0, 0, 0]

    def add(self, image: Image.Image) -> None:
        """Add the pixels of an image that was opened and not read.

        Raises:
            OSError, SyntaxError, ValueError: Pillow cannot read them; nothing is added.
        """
        image.draft("RGB", (REDUCED_ABOVE, REDUCED_ABOVE))
        if image.mode.startswith("I;16"):
            image = image.point(lambda level: level / 256).convert("L")
        counts = np.array(image.convert("RGB").histogram(), np.int64).reshape(3, 256)
        self.pixels += int(counts[0].sum())
        for channel, count in enumerate(counts):
            self._sums[channel] += int(count @ LEVELS)
            self._squares[channel] += int(count @ LEVELS**2)

    def merge(self, other: Self) -> None:
        """Add the pixels that `other` has seen."""
        self.pixels += other.pixels
        self._sums = [a + b for a, b in zip(self._sums, other._sums, strict=True)]
        self._squares = [a + b for a, b in zip(self._squares, other._squares, strict=True)]

    @property
    def means(self) -> tuple[float, ...]:
        """Of each channel; empty if there are no pixels."""
        return tuple(s / self.pixels for s in self._sums) if self.pixels else ()

    @property
    def deviations(self) -> tuple[float, ...]:
        """Of the population; empty if there are no pixels."""
        if not self.pixels:
            return ()
        pairs = zip(self._sums, self._squares, strict=True)
        return tuple(math.sqrt(self.pixels * q - s * s) / self.pixels for s, q in pairs)
