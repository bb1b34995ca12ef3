"""Checks of encoded images before they are decoded, in TensorFlow operations.

A file of a megabyte can hold an image of a gigabyte, so its header is read first.
`components.data.images` has the same rules in Python.
"""

from __future__ import annotations

from models.inputs.image import (
    BMP_EXPECTED,
    DAMAGED,
    EMPTY,
    MAX_PIXELS,
    NOT_AN_IMAGE,
    PIXELS_EXPECTED,
)
from models.inputs.layers.byte_strings import bytes_at, equals, number
from models.lazy import tf

MISSING, JPEG, PNG, GIF, BMP, OTHER = range(6)
"""Formats, by the first bytes of a file. MISSING: there are none."""
HEAD = 66
"""Bytes that are looked at: those of a BMP up to its colour masks."""


def checked_formats(encoded: tf.Tensor, name: str, optional: bool) -> tf.Tensor:
    """The formats of a batch of images, int32 [batch].

    name: of the input, for the message. optional: whether an image may be missing.

    Raises:
        tf.errors.InvalidArgumentError: one of them is not accepted. What only decoding or
            `check_size` shows of a JPEG or of a GIF's frame is not known yet.
    """
    head = bytes_at(encoded, 0, HEAD)
    is_gif = equals(head, 0, b"GIF87a") | equals(head, 0, b"GIF89a")
    found = tf.fill(tf.shape(encoded), OTHER)
    for format, fits in (
        (JPEG, equals(head, 0, b"\xff\xd8\xff")),
        (PNG, equals(head, 0, b"\x89PNG\r\n\x1a\n")),
        (GIF, is_gif),
        (BMP, equals(head, 0, b"BM")),
        (MISSING, tf.equal(encoded, "")),
    ):
        found = tf.where(fits, format, found)

    # A cut file has zeros here: no width, or no height.
    sizes = {
        PNG: (number(head, 16, 4, True), number(head, 20, 4, True)),
        GIF: (number(head, 6, 2), number(head, 8, 2)),
        BMP: (_signed(number(head, 18, 4)), tf.abs(_signed(number(head, 22, 4)))),
    }
    width = height = tf.ones_like(head[:, 0])
    for format, size in sizes.items():
        width, height = (
            tf.where(tf.equal(found, format), side, before)
            for side, before in zip(size, (width, height), strict=True)
        )
    problems = size_problem(width, height)
    damaged = tf.equal(found, PNG) & ~equals(head, 12, b"IHDR")
    problems = tf.where(damaged, DAMAGED, problems)
    problems = tf.where(tf.equal(found, BMP) & ~_plain(head), _bmp_problem(head), problems)
    problems = tf.where(tf.equal(found, OTHER), NOT_AN_IMAGE, problems)
    if not optional:
        problems = tf.where(tf.equal(found, MISSING), EMPTY, problems)

    row = tf.argmax(tf.cast(tf.not_equal(problems, ""), tf.int32))
    first = tf.gather(tf.concat([problems, [""]], 0), row)
    place = [" (row ", tf.as_string(row), " of its batch)"]
    message = tf.strings.join([f"{name}: a value ", first, *place])
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(first, ""), [message])]):
        return tf.identity(found)


def check_size(width: tf.Tensor, height: tf.Tensor, name: str) -> tf.Tensor:
    """What to wait for before an image of this size is decoded.

    Raises:
        tf.errors.InvalidArgumentError: it has too many pixels, or none.
    """

    def refused() -> tf.Tensor:
        message = tf.strings.join([f"{name}: a value ", size_problem(width, height)])
        with tf.control_dependencies([tf.debugging.Assert(False, [message])]):
            return tf.constant(False)

    fits = (width > 0) & (height > 0) & (_pixels(width, height) <= MAX_PIXELS)
    return tf.cond(fits, lambda: tf.constant(True), refused)


def size_problem(width: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
    """Why images of these sizes are not accepted; "" if they are. Of the same shape."""
    sizes = [tf.as_string(width), " x ", tf.as_string(height)]
    large = tf.strings.join(["has ", *sizes, f" pixels. {PIXELS_EXPECTED}"])
    empty = (width < 1) | (height < 1)
    return tf.where(empty, DAMAGED, tf.where(_pixels(width, height) > MAX_PIXELS, large, ""))


def _pixels(width: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
    """As floats: two numbers of 32 bits may be too large a product for integers."""
    return tf.cast(width, tf.float64) * tf.cast(height, tf.float64)


def _plain(head: tf.Tensor) -> tf.Tensor:
    """Whether BMP files have pixels that TensorFlow reads right."""
    bits, compression = number(head, 28, 2), number(head, 30, 4)
    palette = tf.equal(bits, 8) & (number(head, 46, 4) <= 256)
    known_bits = palette | tf.equal(bits, 24) | tf.equal(bits, 32)
    masks = equals(head, 54, b"\0\0\xff\0\0\xff\0\0\xff\0\0\0")
    masked = tf.equal(bits, 32) & tf.equal(compression, 3) & masks
    version = (number(head, 14, 4) >= 40) & (number(head, 14, 4) <= 124)
    return version & ((known_bits & tf.equal(compression, 0)) | masked)


def _bmp_problem(head: tf.Tensor) -> tf.Tensor:
    bits, compression = (tf.as_string(number(head, at, size)) for at, size in ((28, 2), (30, 4)))
    parts = ["is a BMP of ", bits, " bits and compression ", compression, f". {BMP_EXPECTED}"]
    return tf.strings.join(parts)


def _signed(values: tf.Tensor) -> tf.Tensor:
    """Numbers of 32 bits whose highest is the sign."""
    return tf.where(values >= 2**31, values - 2**32, values)
