"""The preprocessing that training and the served graph share."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.inputs.categorical import CategoricalFeature, DateFormat, DatePart
from models.inputs.image import ImageFeature
from models.inputs.layers.categorical import CategoricalPreprocessing, date_part
from models.inputs.layers.cleaning import clean_text
from models.inputs.layers.preprocessing import Preprocessing
from models.inputs.layers.text import split_words
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature
from models.lazy import tf


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def decoded(images: list[bytes], height: int, width: int, channels: int) -> tf.Tensor:
    feature = ImageFeature(
        name="i", column="i", height=height, width=width, channels=channels, optional=True
    )
    return Preprocessing((feature,))({"i": tf.constant(images)})["i"]


def test_words() -> None:
    text = ["Don't STOP, it\u2019s only £5.00!", "", "ÄRGER\tund  (Freude)"]
    assert split_words(tf.constant(text)).to_list() == [
        [w.encode() for w in ("dont", "stop", "its", "only", "£5", "00")],
        [],
        [w.encode() for w in ("ärger", "und", "freude")],
    ]


def test_text_is_looked_up_cut_and_padded() -> None:
    feature = TextFeature(name="t", column="t", length=3, vocabulary=("free", "now"))
    ids = Preprocessing((feature,))({"t": tf.constant(["Now! FREE", "a now now now", ""])})["t"]
    assert ids.dtype == tf.int32
    np.testing.assert_array_equal(ids, [[3, 2, 0], [1, 3, 3], [0, 0, 0]])


def test_categories() -> None:
    feature = CategoricalFeature(name="c", column="c", vocabulary=("a", "b"))
    ids = Preprocessing((feature,))({"c": tf.constant(["b", "", "z", "a"])})["c"]
    np.testing.assert_array_equal(ids, [3, 0, 1, 2])


@pytest.mark.parametrize("log", [False, True])
def test_numbers(log: bool) -> None:
    feature = NumericFeature(name="n", column="n", mean=1.0, deviation=2.0, log=log)
    raw = np.array([3.0, -3.0, np.nan], np.float32)
    plain = np.sign(raw) * np.log1p(np.abs(raw)) if log else raw
    expected = np.where(np.isnan(raw), 0, (plain - 1) / 2)
    np.testing.assert_allclose(
        Preprocessing((feature,))({"n": tf.constant(raw)})["n"], expected, rtol=1e-6
    )


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    images = decoded([png(pixels), b""], 4, 5, 3)
    np.testing.assert_array_equal(images[0], pixels)
    np.testing.assert_array_equal(images[1], np.zeros_like(pixels))


def test_images_are_averaged_down_and_turned_grey() -> None:
    left_white = np.zeros((8, 8, 3), np.uint8)
    left_white[:, :4] = 255
    small = decoded([png(left_white)], 2, 2, 1)
    assert small.dtype == tf.uint8
    assert small.shape == (1, 2, 2, 1)
    assert small[0, 0, 0, 0] > 200
    assert small[0, 0, 1, 0] < 55


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="is not a JPEG, PNG, GIF or BMP image"
    ):
        decoded([b"nonsense"], 2, 2, 3)


@pytest.mark.slow
def test_a_saved_model_holds_the_tables(tmp_path: Path) -> None:
    features = (
        ImageFeature(name="i", column="i", height=2, width=2, channels=3),
        TextFeature(name="t", column="t", length=2, vocabulary=("free",)),
        CategoricalFeature(name="c", column="c", vocabulary=("a",)),
        NumericFeature(name="n", column="n", mean=0.0, deviation=1.0),
    )
    preprocessing = Preprocessing(features)
    specs = {
        f.name: tf.TensorSpec([None], tf.float32 if f.kind == "numeric" else tf.string, f.name)
        for f in features
    }
    raw = {
        "i": tf.constant([png(np.full((2, 2, 3), 7, np.uint8))]),
        "t": tf.constant(["free lunch"]),
        "c": tf.constant(["a"]),
        "n": tf.constant([2.0]),
    }
    module = tf.Module()
    module.preprocessing = preprocessing
    module.serve = tf.function(preprocessing).get_concrete_function(specs)
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](**raw)
    for name, value in preprocessing(raw).items():
        np.testing.assert_array_equal(served[name], value)


def test_parts_of_dates() -> None:
    rng = np.random.default_rng(0)
    dates = [
        datetime.datetime(1900, 1, 1) + datetime.timedelta(hours=int(h))
        for h in rng.integers(0, 24 * 366 * 200, 300)
    ]
    texts = tf.constant([d.isoformat() for d in dates])
    for part, value in (
        ("month", lambda d: d.month - 1),
        ("day", lambda d: d.day - 1),
        ("weekday", lambda d: d.weekday()),
        ("hour", lambda d: d.hour),
    ):
        feature = CategoricalFeature(name="f", column="f", part=part)
        ids = Preprocessing((feature,))({"f": texts})["f"].numpy()
        assert ids.tolist() == [2 + value(d) for d in dates]
        assert ids.max() < feature.ids


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("y-m-d", "2024-03-05 07:08"),
        ("y/m/d", "2024/3/5 7:08"),
        ("m/d/y", "3/5/2024 7:08"),
        ("m/d/y", "03/05/2024T07:08"),
        ("d/m/y", "5/3/2024 7:08"),
        ("d.m.y", "05.3.2024 07:08"),
    ],
)
def test_formats_of_dates(date_format: DateFormat, text: str) -> None:
    expected: dict[DatePart, int] = {"year": 124, "month": 2, "day": 4, "weekday": 1, "hour": 7}
    texts = tf.constant([text, "soon", ""])
    for part, value in expected.items():
        feature = CategoricalFeature(name="d", column="d", part=part, date_format=date_format)
        ids = CategoricalPreprocessing().apply(feature, texts, None).numpy()
        assert ids.tolist() == [2 + value, 1, 0], part
        assert ids[0] < feature.ids


def test_invalid_dates_are_unknown_and_empty_ones_missing() -> None:
    texts = tf.constant(["2024-02-30", "2024-13-01", "today", "", "2024-01-01", "2024-01-01 23:59"])
    assert date_part(texts, "day").numpy().tolist() == [31, 1, 1, 0, 2, 2]
    assert date_part(texts, "hour").numpy().tolist() == [1, 1, 1, 0, 1, 25]


def test_hashed_values_have_an_id_each_time() -> None:
    feature = CategoricalFeature(name="f", column="f", buckets=50)
    apply = Preprocessing((feature,))
    values = tf.constant([f"user {i}" for i in range(1000)] + [""])
    ids = apply({"f": values})["f"].numpy()
    assert ids[-1] == 0
    assert set(ids[:-1]) == set(range(2, 52))
    assert feature.ids == 52
    assert apply({"f": values})["f"].numpy().tolist() == ids.tolist()


def test_cleaning() -> None:
    text = tf.constant(
        "<p>Call <b>0800-123 456</b> or mail a.b@c.example&nbsp;now</p><script>x = 1</script>"
        " see https://x.example/a?b=1 and www.y.example 3 times"
    )
    cleaned = clean_text(text, ("html", "urls", "emails", "numbers")).numpy().decode()
    assert cleaned.split() == ["Call", "or", "mail", "now", "see", "and", "times"]
    assert clean_text(text, ()).numpy() == text.numpy()
    only = clean_text(tf.constant("see www.y.example, x@y.example"), ("emails",)).numpy()
    assert only.decode().split() == ["see", "www.y.example,"]
