"""Decoding and resizing of images."""

from __future__ import annotations

from functools import partial

from models.inputs.image import ImageFeature
from models.inputs.layers import image_headers as headers
from models.inputs.layers.base import Stateless
from models.inputs.layers.byte_strings import bytes_at, number, part_at
from models.inputs.layers.exif import orientations, upright
from models.inputs.layers.gif import first_frames
from models.lazy import tf


class ImagePreprocessing(Stateless[ImageFeature]):
    """uint8 [batch, height, width, channels] of JPEG, PNG, GIF (first frame), BMP.

    Nothing is decoded before its header has been checked. A missing image is black, if training
    rows were without one too.
    """

    def apply(self, feature: ImageFeature, raw: tf.Tensor, state: None) -> tf.Tensor:
        name = f"inputs.{feature.name}"
        formats = headers.checked_formats(raw, name, feature.optional)
        is_jpeg, is_png, is_gif = (
            tf.equal(formats, f) for f in (headers.JPEG, headers.PNG, headers.GIF)
        )
        images = first_frames(raw, is_gif, name)
        return tf.map_fn(
            lambda image: _decode(*image, shape=feature.shape, name=name),
            (images, formats, orientations(images, is_jpeg, is_png)),
            fn_output_signature=tf.TensorSpec(feature.shape, tf.uint8),
        )

    def published_input(self, feature: ImageFeature) -> tf.TensorSpec:
        """Decoded images with values in [0, 1], as TF-Hub's common signature for images has it."""
        return tf.TensorSpec((None, *feature.shape), tf.float32, feature.name)

    def apply_published(self, feature: ImageFeature, value: tf.Tensor, state: None) -> tf.Tensor:
        return tf.cast(tf.round(value * 255.0), tf.uint8)


def _decode(
    encoded: tf.Tensor,
    format: tf.Tensor,
    orientation: tf.Tensor,
    *,
    shape: tuple[int, ...],
    name: str,
) -> tf.Tensor:
    """uint8 of `shape`, of an image whose format has been checked."""
    decoders = {headers.JPEG: _jpeg, headers.PNG: _png, headers.GIF: _gif, headers.BMP: _bmp}

    def resized(image: tf.Tensor) -> tf.Tensor:
        smooth = tf.image.resize(image, shape[:2], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)

    def decoded() -> tf.Tensor:
        branches = [partial(d, encoded, shape[2], name) for _, d in sorted(decoders.items())]
        image = tf.switch_case(format - headers.JPEG, branches)
        image = upright(image, orientation)
        same = tf.reduce_all(tf.equal(tf.shape(image)[:2], shape[:2]))
        return tf.cond(same, lambda: image, lambda: resized(image))

    black = partial(tf.zeros, shape, tf.uint8)
    missing = tf.equal(format, headers.MISSING)
    return tf.ensure_shape(tf.cond(missing, black, decoded), shape)


def _jpeg(encoded: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    height, width, stored = tf.unstack(tf.io.extract_jpeg_shape(encoded, tf.int64), num=3)
    with tf.control_dependencies([headers.check_size(width, height, name)]):
        encoded = tf.identity(encoded)
    # As other software decodes it: TensorFlow's default is a faster, rougher transform.
    read = partial(tf.io.decode_jpeg, encoded, dct_method="INTEGER_ACCURATE")
    if channels != 1:
        return read(channels=channels)
    # libjpeg does not turn CMYK into grey.
    return tf.cond(
        tf.equal(stored, 4), lambda: _channels(read(channels=3), 1), lambda: read(channels=1)
    )


def _png(encoded: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    read = partial(tf.io.decode_png, encoded)
    if channels != 1:
        return read(channels=channels)
    # libpng weighs colours otherwise than all other formats do.
    coloured = tf.not_equal(bytes_at(encoded, 25, 1)[0] % 4, 0)
    return tf.cond(coloured, lambda: _channels(read(channels=3), 1), lambda: read(channels=1))


def _gif(encoded: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    return _channels(tf.io.decode_gif(encoded)[0], channels)


def _bmp(encoded: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    image, head = tf.io.decode_bmp(encoded), bytes_at(encoded, 0, 50)

    def of_palette() -> tf.Tensor:
        """TensorFlow takes the numbers of colours for grey."""
        count = number(head, 46, 4)
        size = 4 * tf.where(count > 0, count, 256)
        palette = tf.io.decode_raw(part_at(encoded, 14 + number(head, 14, 4), size), tf.uint8)
        colours = tf.concat(
            [tf.reshape(palette, (-1, 4))[:, 2::-1], tf.zeros((256, 3), tf.uint8)], 0
        )
        return tf.gather(colours, tf.cast(image[..., 0], tf.int32))

    of_bytes = tf.equal(number(head, 28, 2), 8)
    return _channels(tf.cond(of_bytes, of_palette, lambda: image[..., :3]), channels)


def _channels(colours: tf.Tensor, channels: int) -> tf.Tensor:
    """[height, width, channels] of RGB."""
    return tf.image.rgb_to_grayscale(colours) if channels == 1 else colours
