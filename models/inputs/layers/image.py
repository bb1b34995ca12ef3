"""Decoding and resizing of images."""

from __future__ import annotations

from functools import partial

from models.inputs.image import ImageFeature
from models.inputs.layers.base import Stateless
from models.lazy import tf


class ImagePreprocessing(Stateless[ImageFeature]):
    """uint8 [batch, height, width, channels] of JPEG, PNG, GIF (first frame), BMP; black of ""."""

    def apply(self, feature: ImageFeature, raw: tf.Tensor, state: None) -> tf.Tensor:
        return tf.map_fn(
            partial(_decode, shape=(feature.height, feature.width, feature.channels)),
            raw,
            fn_output_signature=tf.TensorSpec(feature.shape, tf.uint8),
        )

    def published_input(self, feature: ImageFeature) -> tf.TensorSpec:
        """Decoded images with values in [0, 1], as TF-Hub's common signature for images has it."""
        return tf.TensorSpec((None, *feature.shape), tf.float32, feature.name)

    def apply_published(self, feature: ImageFeature, value: tf.Tensor, state: None) -> tf.Tensor:
        return tf.cast(tf.round(value * 255.0), tf.uint8)


def _decode(encoded: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    def resized(image: tf.Tensor) -> tf.Tensor:
        smooth = tf.image.resize(image, shape[:2], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)

    def decoded() -> tf.Tensor:
        image = tf.io.decode_image(encoded, channels=shape[2], expand_animations=False)
        same = tf.reduce_all(tf.equal(tf.shape(image)[:2], shape[:2]))
        return tf.cond(same, lambda: image, lambda: resized(image))

    black = partial(tf.zeros, shape, tf.uint8)
    return tf.ensure_shape(tf.cond(tf.equal(encoded, ""), black, decoded), shape)
