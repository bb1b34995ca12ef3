"""Numbers from places in a string of bytes."""

from __future__ import annotations

from models.lazy import tf


def bytes_at(encoded: tf.Tensor, at: tf.Tensor | int, size: int) -> tf.Tensor:
    """The bytes from a position on, as int64 [..., size]; zeros where the string has ended.

    encoded: string of any shape. at: of the same shape, or one position.
    """
    values = tf.io.decode_raw(part_at(encoded, at, size), tf.uint8, fixed_length=size)
    return tf.cast(values, tf.int64)


def part_at(encoded: tf.Tensor, at: tf.Tensor | int, size: tf.Tensor | int) -> tf.Tensor:
    """The part of a string, as far as it is there."""
    length = tf.strings.length(encoded)
    start = tf.minimum(tf.cast(at, tf.int64), tf.cast(length, tf.int64))
    return tf.strings.substr(encoded, start, tf.cast(size, tf.int64) + tf.zeros_like(start))


def number(values: tf.Tensor, at: int, size: int, big_endian: bool = False) -> tf.Tensor:
    """The unsigned number in some of the bytes of the last axis."""
    places = [values[..., at + place] for place in range(size)]
    ordered = reversed(places) if big_endian else places
    return tf.add_n([place * 256**power for power, place in enumerate(ordered)])


def equals(values: tf.Tensor, at: int, text: bytes) -> tf.Tensor:
    """Whether the bytes of the last axis are a text, from `at` on."""
    return tf.reduce_all(tf.equal(values[..., at : at + len(text)], list(text)), axis=-1)
