"""The convolutional trunk for small images."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras
from models.trunks.base import layer_groups
from models.trunks.encoders.residual_convnet import ResidualConvnet

LARGEST_FIRST = {
    (8, 8): [(8, 8), (4, 4), (4, 4)],
    (15, 9): [(15, 9), (7, 4), (7, 4)],
    (32, 32): [(16, 16), (8, 8), (4, 4)],
    (96, 96): [(24, 24), (12, 12), (6, 6)],
    (224, 160): [(28, 20), (14, 10), (7, 5)],
    (1, 40): [(1, 40), (1, 40), (1, 40)],
}
"""Height and width after the stem and each stage, by the size of the image."""


def convnet(height: int, width: int, blocks: int = 1) -> keras.Model:
    image = keras.Input((height, width, 3), dtype="uint8")
    encoder = ResidualConvnet(widths=(4, 6, 8), blocks=blocks)
    return keras.Model(image, encoder.encode(image, "image"))


@pytest.mark.parametrize(("size", "sides"), LARGEST_FIRST.items())
def test_the_depth_of_pooling_follows_the_size(
    size: tuple[int, int], sides: list[tuple[int, int]]
) -> None:
    model = convnet(*size)
    names = ("image.stem.relu", "image.stage1.relu", "image.stage2.relu")
    assert [model.get_layer(n).output.shape[1:3] for n in names] == sides
    assert model.output.shape == (None, 8)
    assert list(layer_groups(model)) == ["image.stem", "image.stage1", "image.stage2"]


def test_a_residual_block_adds_to_what_it_reads() -> None:
    """Its output, with the branch's scale at zero, is its input."""
    model = convnet(8, 8, blocks=2)
    for number in (0, 1):
        gamma = model.get_layer(f"image.stage2.scale{number}").gamma
        gamma.assign(keras.ops.zeros_like(gamma))
    read = model.get_layer("image.stage2.relu").output
    part = keras.Model(model.input, [read, model.get_layer("image.stage2.add1").output])
    before, after = part(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), "uint8"))
    assert float(keras.ops.max(before)) > 0.1
    np.testing.assert_array_equal(before, after)
