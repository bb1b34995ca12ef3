"""Raw inputs to preprocessed features, in TensorFlow operations.

One definition: Transform applies it to training data, and the served graph holds it. Importing this
module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from models.inputs.custom_layer import load_layer
from models.inputs.features import (
    CategoricalFeature,
    Feature,
    ImageFeature,
    LayerFeature,
    NumericFeature,
    RawTextFeature,
    TextFeature,
    TokensFeature,
)
from models.inputs.spec import Cleaning, DatePart
from models.inputs.tokenizer import Tokenizer
from models.lazy import tf

MISSING, PADDING, UNKNOWN, FIRST_WORD = 0, 0, 1, 2
"""Ids of categories and words; see `models.inputs.features`."""


class Preprocessing(tf.Module):  # type: ignore[misc]
    """From {name: [batch]} raw to {name: [batch, ...]} preprocessed; see `models.inputs.features`.

    Tracks its look-up tables, tokenizers and layers, so that a SavedModel of it holds them.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__("preprocessing")
        self.features = tuple(features)
        self.tables = {
            f.name: _table(f)
            for f in self.features
            if isinstance(f, TextFeature | CategoricalFeature) and _looked_up(f)
        }
        self.tokenizers = {
            f.name: Tokenizer(f) for f in self.features if isinstance(f, TokensFeature)
        }
        self.layers = {f.name: load_layer(f) for f in self.features if isinstance(f, LayerFeature)}
        self.layer_weights = [w.value for la in self.layers.values() for w in la.weights]

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Preprocess a batch.

        Raises:
            tf.errors.InvalidArgumentError: bytes that are no image.
        """
        return {f.name: self._apply(f, raw[f.name]) for f in self.features}

    def _apply(self, feature: Feature, raw: tf.Tensor) -> tf.Tensor:
        if isinstance(feature, TextFeature | RawTextFeature | TokensFeature):
            raw = clean_text(raw, feature.clean)
        match feature:
            case ImageFeature():
                return decode_images(raw, feature.height, feature.width, feature.channels)
            case TextFeature():
                words = split_words(raw)
                ids = words.with_flat_values(self.tables[feature.name].lookup(words.flat_values))
                padded = ids.to_tensor(PADDING, shape=(None, feature.length))
                return tf.ensure_shape(padded, (None, feature.length))
            case RawTextFeature():
                return raw
            case TokensFeature():
                return self.tokenizers[feature.name](raw)
            case LayerFeature():
                answers = self.layers[feature.name](raw[:, None], training=False)
                shape = (tf.shape(raw)[0], feature.width)
                return tf.reshape(tf.cast(answers, tf.float32), shape)
            case NumericFeature(boundaries=()):
                return standardise(raw, feature)
            case NumericFeature():
                return binned(raw, feature.boundaries)
            case CategoricalFeature(part=str(part)):
                return date_part(raw, part)
            case CategoricalFeature(buckets=int(buckets)):
                bucket = tf.strings.to_hash_bucket_fast(raw, buckets)
                return tf.where(raw == "", MISSING, FIRST_WORD + tf.cast(bucket, tf.int32))
            case CategoricalFeature():
                return self.tables[feature.name].lookup(raw)


def split_words(text: tf.Tensor) -> tf.RaggedTensor:
    """Words of [batch] UTF-8 text: lower-case, apostrophes dropped, other ASCII punctuation taken
    for white space.
    """
    lower = tf.strings.lower(text, encoding="utf-8")
    joined = tf.strings.regex_replace(lower, r"['’]", "")  # noqa: RUF001
    return tf.strings.split(tf.strings.regex_replace(joined, r"[!-/:-@\[-`{-~]+", " "))


def clean_text(text: tf.Tensor, cleaning: Sequence[Cleaning]) -> tf.Tensor:
    """[batch] UTF-8 text with a space in place of what is named."""
    for what in cleaning:
        text = tf.strings.regex_replace(text, _CLEANED[what], " ")
    return text


def date_part(text: tf.Tensor, part: DatePart) -> tf.Tensor:
    """Ids [batch] of a part of ISO 8601 dates [batch]; `UNKNOWN` where there is none."""
    valid = tf.strings.regex_full_match(text, _DATES[part == "hour"])
    safe = tf.where(valid, text, "1970-01-01T00")

    def number(start: int, length: int) -> tf.Tensor:
        return tf.strings.to_number(tf.strings.substr(safe, start, length), tf.int32)

    if part == "hour":
        value = number(11, 2)
    elif part == "month":
        value = number(5, 2) - 1
    elif part == "day":
        value = number(8, 2) - 1
    else:
        value = _weekday(number(0, 4), number(5, 2), number(8, 2))
    return tf.where(text == "", MISSING, tf.where(valid, FIRST_WORD + value, UNKNOWN))


_CLEANED: dict[Cleaning, str] = {
    "html": r"(?is)<(script|style)\b.*?</(script|style)>|<[^<>]+>|&[a-z]+;|&#\d+;",
    "urls": r"(?i)\b(https?://|www\.)\S+",
    "emails": r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+\b",
    "numbers": r"\b\d+([.,:/-]\d+)*\b",
}
_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_DATES = (_DATE + r"([T ].*)?", _DATE + r"[T ]([01]\d|2[0-3]).*")


def _weekday(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """0 for Monday to 6 (T. Sakamoto's method; Gregorian)."""
    year -= tf.cast(month < 3, tf.int32)
    shift = tf.gather([0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4], month - 1)
    from_sunday = (year + year // 4 - year // 100 + year // 400 + shift + day) % 7
    return (from_sunday + 6) % 7


def decode_images(encoded: tf.Tensor, height: int, width: int, channels: int) -> tf.Tensor:
    """uint8 [batch, height, width, channels] of JPEG, PNG, GIF (first frame) or BMP bytes [batch];
    black where there are none ("").
    """
    shape = (height, width, channels)
    return tf.map_fn(
        partial(_decode_image, shape=shape),
        encoded,
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )


def _decode_image(encoded: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    def resized(image: tf.Tensor) -> tf.Tensor:
        smooth = tf.image.resize(image, shape[:2], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)

    def decoded() -> tf.Tensor:
        image = tf.io.decode_image(encoded, channels=shape[2], expand_animations=False)
        same = tf.reduce_all(tf.equal(tf.shape(image)[:2], shape[:2]))
        return tf.cond(same, lambda: image, lambda: resized(image))

    black = partial(tf.zeros, shape, tf.uint8)
    return tf.ensure_shape(tf.cond(tf.equal(encoded, ""), black, decoded), shape)


def standardise(values: tf.Tensor, feature: NumericFeature) -> tf.Tensor:
    """float32 [batch] of zero mean and unit deviation over the training split; NaN becomes 0."""
    if feature.log:
        values = tf.sign(values) * tf.math.log1p(tf.abs(values))
    scaled = (values - feature.mean) / feature.deviation
    return tf.where(tf.math.is_nan(scaled), tf.zeros_like(scaled), scaled)


def binned(values: tf.Tensor, boundaries: Sequence[float]) -> tf.Tensor:
    """int32 [batch] of float32 [batch]: the bin's id, as `NumericFeature` states."""
    bins = tf.searchsorted(tf.constant(boundaries, tf.float32), values, side="right")
    return tf.where(tf.math.is_nan(values), MISSING, FIRST_WORD + bins)


def _looked_up(feature: TextFeature | CategoricalFeature) -> bool:
    return isinstance(feature, TextFeature) or not (feature.buckets or feature.part)


def _table(feature: TextFeature | CategoricalFeature) -> tf.lookup.StaticHashTable:
    keys = list(feature.vocabulary)
    ids = [FIRST_WORD + i for i in range(len(keys))]
    if isinstance(feature, CategoricalFeature):
        keys, ids = ["", *keys], [MISSING, *ids]
    pairs = tf.lookup.KeyValueTensorInitializer(
        tf.constant(keys, tf.string), tf.constant(ids, tf.int32)
    )
    return tf.lookup.StaticHashTable(pairs, default_value=UNKNOWN)
