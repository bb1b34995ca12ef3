"""The first frame of a GIF, found in TensorFlow operations.

TensorFlow decodes all frames, also where only the first is asked for: 3.6 MB can take half a
minute. `components.data.images` has the same rules in Python.
"""

from __future__ import annotations

from models.inputs.image import MAX_BLOCKS
from models.inputs.layers.byte_strings import bytes_at, number, part_at
from models.inputs.layers.image_headers import check_size
from models.lazy import tf

WINDOW = 2**11
"""Bytes in which the end of a chain of blocks is looked for at once."""
STEPS = 11
"""Doublings after which the longest chain in a window, of empty pairs, has been followed."""


def first_frames(encoded: tf.Tensor, is_gif: tf.Tensor, name: str) -> tf.Tensor:
    """A batch of images, in which a GIF has only its first frame.

    name: of the input, for the message.

    Raises:
        tf.errors.InvalidArgumentError: a GIF has no first frame, or a frame of too many pixels.
    """

    def cut(image: tf.Tensor) -> tf.Tensor:
        width, height, stop = _first_frame(image)
        with tf.control_dependencies([check_size(width, height, name)]):
            return tf.strings.join([part_at(image, 0, stop), b";"])

    def cut_gifs() -> tf.Tensor:
        return tf.map_fn(
            lambda item: tf.cond(item[1], lambda: cut(item[0]), lambda: item[0]),
            (encoded, is_gif),
            fn_output_signature=tf.string,
        )

    return tf.cond(tf.reduce_any(is_gif), cut_gifs, lambda: encoded)


def _first_frame(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """int64: width and height of the first frame, 0 if it is not there whole, and its end."""

    def look(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where the next block begins, and whether this one is an extension."""
        extension = tf.equal(bytes_at(encoded, at, 1)[0], 0x21)
        return tf.cond(extension, lambda: _end(encoded, at + 2), lambda: at), extension

    start = 13 + _table(bytes_at(encoded, 10, 1)[0])
    at, extension = tf.while_loop(
        lambda at, extension: extension,
        lambda at, extension: look(at),
        look(start),
        maximum_iterations=MAX_BLOCKS,
    )
    head = bytes_at(encoded, at, 10)
    there = tf.equal(head[0], 0x2C) & ~extension
    stop = _end(encoded, at + 11 + _table(head[9]))
    whole = there & (stop <= tf.cast(tf.strings.length(encoded), tf.int64))
    return tf.where(whole, number(head, 5, 2), 0), number(head, 7, 2), stop


def _table(flags: tf.Tensor) -> tf.Tensor:
    """The size of a colour table in bytes."""
    return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)


def _end(encoded: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """The end of a chain of blocks, each of which begins with its size, and the last has none.

    Pointers are doubled within a window, so that its cost does not depend on the sizes of blocks.
    """
    places = tf.range(WINDOW, dtype=tf.int32)
    outside = tf.range(WINDOW, WINDOW + 256, dtype=tf.int32)

    def after_window(at: tf.Tensor, going: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sizes = tf.cast(bytes_at(encoded, at, WINDOW), tf.int32)
        following = tf.where(tf.equal(sizes, 0), places, places + 1 + sizes)
        jumps = tf.concat([following, outside], 0)
        for _ in range(STEPS):
            jumps = tf.gather(jumps, jumps)
        reached, inside = jumps[0], jumps[0] < WINDOW
        return at + tf.cast(reached + tf.cast(inside, tf.int32), tf.int64), ~inside

    return tf.while_loop(lambda at, going: going, after_window, (at, tf.constant(True)))[0]
