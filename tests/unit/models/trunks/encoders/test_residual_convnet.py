"""The convolutional trunk for small images."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras
from models.trunks.encoders.residual_convnet import ResidualConvnet


@pytest.fixture(scope="module")
def convnet() -> keras.Model:
    image = keras.Input((15, 9, 3), dtype="uint8")
    return keras.Model(image, ResidualConvnet(widths=(4, 6, 8)).encode(image, "image"))


def test_no_convolution_of_one_pixel_has_a_stride(convnet: keras.Model) -> None:
    """Otherwise oneDNN writes past its workspace if there are fewer than 16 input channels."""
    convolutions = [la for la in convnet.layers if isinstance(la, keras.layers.Conv2D)]
    pointwise = [la for la in convolutions if la.kernel_size == (1, 1)]
    names = ["image.stage1.block0_shortcut", "image.stage2.block0_shortcut"]
    assert [la.name for la in pointwise] == names
    assert all(la.strides == (1, 1) for la in pointwise)


def test_a_shortcut_is_a_strided_convolution(convnet: keras.Model) -> None:
    shortcut = convnet.get_layer("image.stage1.block0_shortcut")
    active = convnet.get_layer("image.stage1.block0_norm0_relu").output
    part = keras.Model(convnet.input, [active, shortcut.output])
    rows = np.random.default_rng(0).integers(0, 256, (3, 15, 9, 3), "uint8")
    before, found = part(rows)
    expected = keras.ops.conv(before, shortcut.kernel, strides=2, padding="same")
    assert found.shape == (3, 8, 5, 6)
    np.testing.assert_allclose(found, expected, atol=1e-5)
