"""What linear experts read of a frozen trunk of images: the outputs of all its blocks, each pooled
to one vector, of an image and of its mirror image (Evci et al. 2022, "Head2Toe", arXiv:2201.03529,
reads all layers; test-time augmentation is older).
"""

from __future__ import annotations

from collections.abc import Mapping

from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.lazy import Tensor, keras
from models.trunks.stages import stages_of

WIDTH = 4096
"""Most numbers of all blocks together; the first blocks are left out if they have more."""


def has_blocks(features: tuple[Feature, ...]) -> bool:
    """Whether linear experts read the blocks of a frozen trunk of these features."""
    return all(isinstance(f, ImageFeature) for f in features)


class Blocks:
    """Computes the representation and the blocks of a trunk of images at once."""

    def __init__(self, trunk: keras.Model, features: tuple[Feature, ...]) -> None:
        self.features = tuple(f for f in features if isinstance(f, ImageFeature))
        pooled, width = [trunk.output], trunk.output.shape[-1]
        for stage in reversed(stages_of(trunk)[:-1]):
            x = stage.output
            if width + x.shape[-1] > WIDTH:
                break
            width += x.shape[-1]
            pooled.append(x if len(x.shape) == 2 else keras.ops.mean(x, range(1, len(x.shape) - 1)))
        every = keras.ops.concatenate(pooled[::-1], axis=-1)
        self._model = keras.Model(trunk.input, (trunk.output, every))

    def __call__(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The representation [batch, width], as heads read it, and the blocks [batch, n], the mean
        over flips where `ImageFeature.experts_flip` says so.

        tensors: [batch, ...] by feature; others are ignored.
        """
        images = {f.name: tensors[f.name] for f in self.features}
        plain, blocks = self._model(images, training=False)
        flipped = {f.name for f in self.features if f.experts_flip}
        averaged = {f.name for f in self.features if f.flip_average}
        if flipped:
            mirrored, others = self._model(_flipped(images, flipped), training=False)
            blocks = (blocks + others) / 2
        if averaged:
            if averaged != flipped:
                mirrored = self._model(_flipped(images, averaged), training=False)[0]
            plain = (plain + mirrored) / 2
        return plain, blocks


def _flipped(images: Mapping[str, Tensor], names: set[str]) -> dict[str, Tensor]:
    return {n: keras.ops.flip(x, axis=2) if n in names else x for n, x in images.items()}
