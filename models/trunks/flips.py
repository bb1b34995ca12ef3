"""The mean over images and their mirror images (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.lazy import Tensor, keras


def mean_over_flips(
    trunk: Callable[[Mapping[str, Tensor]], Tensor],
    features: tuple[Feature, ...],
    tensors: Mapping[str, Tensor],
) -> Tensor:
    """The trunk's output: the mean for the images as they are and mirrored left to right, if a
    feature has `flip_average`.

    tensors: [batch, ...] by feature. The output may be a list of tensors.
    """
    output = trunk(tensors)
    flipped = {
        f.name: keras.ops.flip(tensors[f.name], axis=2)
        for f in features
        if isinstance(f, ImageFeature) and f.flip_average
    }
    if not flipped:
        return output
    other = trunk({**tensors, **flipped})
    return keras.tree.map_structure(lambda a, b: (a + b) / 2, output, other)
