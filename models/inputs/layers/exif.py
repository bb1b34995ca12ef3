"""EXIF's orientation of JPEG and PNG images, in TensorFlow operations.

`components.data.images` has the same rules in Python.
"""

from __future__ import annotations

from collections.abc import Callable

from models.inputs.image import MAX_BLOCKS, ORIENTATION
from models.inputs.layers.byte_strings import bytes_at, equals, number, part_at
from models.lazy import tf

Block = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""Of a JPEG segment or a PNG chunk: where the next one begins, whether to go on to it, and where
EXIF's data are and how many bytes they have: 0 if they are not in this one.
"""


_NO_EXIF = b"\0" * 14


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """[height, width, channels], turned and mirrored as its orientation, 1 to 8, asks for."""

    def changed(
        image: tf.Tensor, orientations: list[int], change: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        needed = tf.reduce_any(tf.equal(orientation, orientations))
        return tf.cond(needed, lambda: change(image), lambda: image)

    image = changed(image, [5, 6, 7, 8], lambda x: tf.transpose(x, (1, 0, 2)))
    image = changed(image, [2, 3, 6, 7], lambda x: tf.reverse(x, (1,)))
    return changed(image, [3, 4, 7, 8], lambda x: tf.reverse(x, (0,)))


def orientations(encoded: tf.Tensor, is_jpeg: tf.Tensor, is_png: tf.Tensor) -> tf.Tensor:
    """1 to 8, for each image of a batch; 1 if it does not say, or other formats: int64 [batch]."""
    start, size = _exif_data(encoded, is_jpeg, is_png)
    exif = part_at(encoded, start, size)
    upright = tf.ones_like(size)

    def read() -> tf.Tensor:
        long_enough = tf.where(tf.strings.length(exif) < 14, _NO_EXIF, exif)
        return tf.map_fn(_orientation, long_enough, fn_output_signature=tf.int64)

    # Images without EXIF data are the rule; reading none saves half of the time of small ones.
    return tf.cond(tf.reduce_any(size > 0), read, lambda: upright)


def _exif_data(
    encoded: tf.Tensor, is_jpeg: tf.Tensor, is_png: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where EXIF data begin, and their size, 0 if there are none: int64 [batch].

    The whole batch takes a step at once, because steps cost more than bytes.
    """

    def look(at: tf.Tensor) -> Block:
        head = bytes_at(encoded, at, 10)
        return tuple(
            tf.where(is_jpeg, of_jpeg, of_png)
            for of_jpeg, of_png in zip(_segment(at, head), _chunk(at, head), strict=True)
        )

    def step(at: tf.Tensor, goes_on: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> Block:
        after = look(at)
        before = (at, goes_on, start, size)
        return tuple(tf.where(goes_on, a, b) for a, b in zip(after, before, strict=True))

    following, goes_on, start, size = look(tf.where(is_jpeg, tf.constant(2, tf.int64), 8))
    _, _, start, size = tf.while_loop(
        lambda at, goes_on, start, size: tf.reduce_any(goes_on),
        step,
        (following, goes_on & (is_jpeg | is_png), start, size),
        maximum_iterations=MAX_BLOCKS,
    )
    return start, tf.where(is_jpeg | is_png, size, 0)


def _segment(at: tf.Tensor, head: tf.Tensor) -> Block:
    """Only those that applications write before all others are looked at."""
    marker, size = head[..., 1], number(head, 2, 2, big_endian=True)
    application = ((marker >= 0xE0) & (marker <= 0xEF)) | tf.equal(marker, 0xFE)
    there = tf.equal(head[..., 0], 0xFF) & application & (size >= 2)
    exif = there & tf.equal(marker, 0xE1) & equals(head, 4, b"Exif\0\0")
    length = tf.where(exif, tf.maximum(size - 8, 0), 0)
    return at + 2 + size, there & ~exif, at + 10, length


def _chunk(at: tf.Tensor, head: tf.Tensor) -> Block:
    size, exif = number(head, 0, 4, big_endian=True), equals(head, 4, b"eXIf")
    last = exif | equals(head, 4, b"IDAT") | equals(head, 4, b"\0\0\0\0")
    return at + 12 + size, ~last, at + 8, tf.where(exif, size, 0)


def _orientation(exif: tf.Tensor) -> tf.Tensor:
    """From a TIFF header and its first directory; 1 if they make no sense."""
    head = bytes_at(exif, 0, 8)
    big = equals(head, 0, b"MM")

    def value(values: tf.Tensor, at: int, size: int) -> tf.Tensor:
        return tf.where(big, number(values, at, size, True), number(values, at, size))

    directory = value(head, 4, 4)
    count = value(bytes_at(exif, directory, 2), 0, 2)
    content = tf.cast(
        tf.io.decode_raw(part_at(exif, directory + 2, 12 * count), tf.uint8), tf.int64
    )
    entries = tf.reshape(content[: 12 * (tf.size(content) // 12)], (-1, 12))
    entries = tf.concat([entries, tf.zeros((1, 12), tf.int64)], 0)
    fits = tf.equal(value(entries, 0, 2), ORIENTATION) & tf.equal(value(entries, 2, 2), 3)
    found = value(entries, 8, 2)[tf.argmax(tf.cast(fits, tf.int32))]
    sensible = (big | equals(head, 0, b"II")) & tf.reduce_any(fits) & (found >= 1) & (found <= 8)
    return tf.where(sensible, found, 1)
