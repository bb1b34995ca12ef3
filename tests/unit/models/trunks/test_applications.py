"""Weights that do not fit the model, and unknown names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.inputs.image import ImageFeature
from models.lazy import keras
from models.masked_url import MaskedUrl
from models.trunks.applications import Applications
from models.trunks.base import TrunkError
from tests.pretrained_files import IMAGE


def mobilenet(alpha: float = 0.25) -> keras.Model:
    return keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=alpha, include_top=False, weights=None
    )


@pytest.mark.slow
def test_pixels_are_scaled_and_resized_as_the_model_wants_them(tmp_path: Path) -> None:
    model = mobilenet()
    model.save_weights(tmp_path / "w.weights.h5")
    trunk = Applications(
        model="MobileNet", alpha=0.25, weights=str(tmp_path / "w.weights.h5"), side=32
    ).build((ImageFeature(name="photo", column="p", height=8, width=8, channels=3),))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    large = keras.ops.image.resize(pixels.astype("float32"), (32, 32), antialias=True)
    expected = np.mean(model(large / 127.5 - 1, training=False), axis=(1, 2))
    before = trunk.get_weights()
    found = np.asarray(trunk({"photo": pixels}))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)
    for a, b in zip(before, trunk.get_weights(), strict=True):  # not in training mode
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_weights_that_do_not_fit_name_the_layer(tmp_path: Path) -> None:
    file = tmp_path / "w.weights.h5"
    mobilenet().save_weights(file)
    wider = Applications(model="MobileNet", alpha=0.5, weights=str(file), side=32)
    with pytest.raises(TrunkError, match=r"layer 'conv1'.*\(3, 3, 3, 16\).*\(3, 3, 3, 8\)"):
        wider.build((IMAGE,))
    other = Applications(model="VGG16", weights=str(file), side=32)
    with pytest.raises(TrunkError, match=r"'block1_conv1': expected .*no such layer"):
        other.build((IMAGE,))
    (tmp_path / "x.weights.h5").write_bytes(b"nonsense")
    unreadable = Applications(model="VGG16", weights=str(tmp_path / "x.weights.h5"), side=32)
    with pytest.raises(TrunkError, match="cannot be read"):
        unreadable.build((IMAGE,))
    assert "no such file" in Applications(model="VGG16", weights=str(tmp_path / "x")).check(())[0]


def test_unknown_models_and_arguments_are_explained() -> None:
    with pytest.raises(TrunkError, match=r"no MobilNet. Expected one of: .*MobileNetV2"):
        Applications(model="MobilNet", pretrained=False).build((IMAGE,))
    with pytest.raises(TrunkError, match="only the MobileNets"):
        Applications(model="VGG16", alpha=0.5, pretrained=False, side=32).build((IMAGE,))
    with pytest.raises(TrunkError, match=r"12x10"):
        Applications(model="MobileNet", pretrained=False).build((IMAGE,))


def test_without_cache_and_network_validation_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("models.trunks.applications.HOST", MaskedUrl("http://no-such-host.invalid"))
    trunk = Applications(model="MobileNetV2")
    assert "cannot be reached" in trunk.check(())[0]
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5").touch()
    assert trunk.check(()) == []
