from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.statistics.accumulators import accumulator
from components.statistics.column_statistics import ImageColumn

RNG = np.random.default_rng(0)
FIELD = pa.field("p", pa.binary())


def encoded(pixels: np.ndarray, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def column(*images: bytes) -> ImageColumn:
    found = accumulator(FIELD, True, False)
    found.add(pa.array(images, pa.binary()))
    result = found.result()
    assert isinstance(result, ImageColumn)
    return result


def test_channels_as_numpy_has_them() -> None:
    colour = RNG.integers(0, 256, (7, 5, 3), np.uint8)
    grey = RNG.integers(0, 256, (4, 4), np.uint8)
    pixels = np.concatenate([colour.reshape(-1, 3), np.repeat(grey.reshape(-1, 1), 3, axis=1)])
    found = column(encoded(colour), encoded(grey))
    assert found.channel_means == pytest.approx(pixels.mean(axis=0))
    assert found.channel_deviations == pytest.approx(pixels.std(axis=0))
    merged = accumulator(FIELD, True, False)
    for image in (encoded(grey), encoded(colour)):
        part = accumulator(FIELD, True, False)
        part.add(pa.array([image], pa.binary()))
        merged.merge(part)
    assert merged.result() == found


def test_large_jpegs_are_read_reduced() -> None:
    smooth = np.linspace(0, 255, 1200).astype(np.uint8)[None, :, None].repeat(900, 0).repeat(3, 2)
    found = column(encoded(smooth, "JPEG"))
    assert (found.widths.maximum, found.heights.maximum) == (1200, 900)
    assert found.channel_means == pytest.approx(smooth.mean((0, 1)), abs=1)
    assert found.channel_deviations == pytest.approx(smooth.std((0, 1)), abs=1)


def test_an_image_that_ends_early_is_counted() -> None:
    whole = encoded(RNG.integers(0, 256, (40, 40, 3), np.uint8))
    found = column(whole, whole[: len(whole) // 2])
    assert (found.present, found.unreadable) == (2, 1)
    assert found.channel_means == column(whole).channel_means


def test_sixteen_bits_of_grey_are_scaled_as_tensorflow_does() -> None:
    grey = RNG.integers(0, 1 << 16, (9, 9), np.uint16)
    assert column(encoded(grey)).channel_means[0] == pytest.approx((grey >> 8).mean())
