"""Ids of categories."""

from __future__ import annotations

from models.inputs.categorical import FIRST_YEAR, PARTS, CategoricalFeature, DateFormat, DatePart
from models.inputs.layers.base import FIRST, MISSING, UNKNOWN, FeaturePreprocessing
from models.lazy import tf

_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_REORDERED: dict[DateFormat, tuple[str, str]] = {
    "y/m/d": (r"^(\d{4})/(\d{1,2})/(\d{1,2})", r"\1-\2-\3"),
    "m/d/y": (r"^(\d{1,2})/(\d{1,2})/(\d{4})", r"\3-\1-\2"),
    "d/m/y": (r"^(\d{1,2})/(\d{1,2})/(\d{4})", r"\3-\2-\1"),
    "d.m.y": (r"^(\d{1,2})[.](\d{1,2})[.](\d{4})", r"\3-\2-\1"),
}
_DATES = (_DATE + r"([T ].*)?", _DATE + r"[T ]([01]\d|2[0-3]).*")


class CategoricalPreprocessing(
    FeaturePreprocessing[CategoricalFeature, tf.lookup.StaticHashTable | None]
):
    """int32 [batch]."""

    def state(self, feature: CategoricalFeature) -> tf.lookup.StaticHashTable | None:
        if feature.buckets or feature.part:
            return None
        values = tf.constant(["", *feature.vocabulary], tf.string)
        ids = tf.constant([MISSING, *range(FIRST, FIRST + len(feature.vocabulary))], tf.int32)
        pairs = tf.lookup.KeyValueTensorInitializer(values, ids)
        return tf.lookup.StaticHashTable(pairs, default_value=UNKNOWN)

    def apply(
        self, feature: CategoricalFeature, raw: tf.Tensor, state: tf.lookup.StaticHashTable | None
    ) -> tf.Tensor:
        if feature.part is not None:
            return date_part(_iso(raw, feature.date_format), feature.part)
        if feature.buckets is not None:
            bucket = tf.strings.to_hash_bucket_fast(raw, feature.buckets)
            return tf.where(raw == "", MISSING, FIRST + tf.cast(bucket, tf.int32))
        assert state is not None
        return state.lookup(raw)


def _iso(text: tf.Tensor, date_format: DateFormat) -> tf.Tensor:
    """Dates of this format as those of ISO 8601: with two digits for month, day and hour."""
    if date_format == "y-m-d":
        return text
    replace = tf.strings.regex_replace
    text = replace(text, *_REORDERED[date_format])
    text = replace(text, r"^(\d{4})-(\d)-", r"\1-0\2-")
    text = replace(text, r"^(\d{4}-\d\d)-(\d)($|[T ])", r"\1-0\2\3")
    return replace(text, r"^(\d{4}-\d\d-\d\d)[T ]+(\d):", r"\1 0\2:")


def date_part(text: tf.Tensor, part: DatePart) -> tf.Tensor:
    """Ids [batch] of a part of ISO 8601 dates [batch]; `UNKNOWN` where there is no date."""
    valid = tf.strings.regex_full_match(text, _DATES[part == "hour"])
    safe = tf.where(valid, text, "1970-01-01T00")

    def number(start: int, length: int) -> tf.Tensor:
        return tf.strings.to_number(tf.strings.substr(safe, start, length), tf.int32)

    if part == "year":
        value = number(0, 4) - FIRST_YEAR
        valid = valid & (value >= 0) & (value < PARTS["year"])
    elif part == "weekday":
        value = _weekday(number(0, 4), number(5, 2), number(8, 2))
    else:
        value = number(11, 2) if part == "hour" else number(5 if part == "month" else 8, 2) - 1
    return tf.where(text == "", MISSING, tf.where(valid, FIRST + value, UNKNOWN))


def _weekday(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """0 for Monday to 6 (T. Sakamoto's method; Gregorian calendar)."""
    year -= tf.cast(month < 3, tf.int32)
    shift = tf.gather([0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4], month - 1)
    from_sunday = (year + year // 4 - year // 100 + year // 400 + shift + day) % 7
    return (from_sunday + 6) % 7
