"""Random image augmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.inputs.layers.mixing import mixed
from models.lazy import tf

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of training images, drawn again in each epoch. Pixels from beyond an edge are
    mirrored. Evaluation and serving use the images as they are.

    flip: mirror half of the images left to right. shift: largest shift in both directions, as a
        share of the side. rotate: largest rotation in degrees. zoom: largest zoom, in and out, as a
        share.
    brightness: largest change up or down, as a share of full brightness. contrast: largest change
        up or down of a pixel's distance from the mean of its image, as a share.
    mixup, cutmix: blend each image with another one, or paste a box of another one into it. The
        loss is that of both labels, by their shares of the image. The value is both parameters of
        the beta distribution of the shares, such as 0.2 for mixup and 1 for cutmix; 0 for none. See
        `models.inputs.layers.mixing`.
    unless_frozen: change nothing if the trunk is frozen: then each image is computed only once.
    """

    __pydantic_config__ = STRICT
    flip: bool = False
    shift: Share = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    zoom: Share = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    unless_frozen: bool = False

    def __post_init__(self) -> None:
        if not any(value for name, value in vars(self).items() if name != "unless_frozen"):
            raise ValueError(
                "augment changes nothing: set flip, shift, rotate, zoom, brightness, contrast,"
                " mixup or cutmix"
            )

    @property
    def mixes(self) -> bool:
        """Whether images of two rows are mixed: then the labels of both count."""
        return bool(self.mixup or self.cutmix)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Change each image of a batch; `mixed` mixes them afterwards.

        Args:
            images: uint8 [batch, height, width, channels].
            seed: int64 [2]; the same seed gives the same images.
        """
        drawn = tf.random.stateless_uniform([tf.shape(images)[0], 7], seed, -1.0, 1.0)
        flips, *moves, brighter, stronger = tf.unstack(drawn, axis=1)
        changed = tf.cast(images, tf.float32)
        if self.flip or self.shift or self.rotate or self.zoom:
            changed = tf.raw_ops.ImageProjectiveTransformV3(
                images=changed,
                transforms=self._transforms(tf.shape(images), flips, moves),
                output_shape=tf.shape(images)[1:3],
                fill_value=0.0,
                interpolation="BILINEAR",
                fill_mode="REFLECT",
            )
        if self.contrast:
            means = tf.reduce_mean(changed, axis=(1, 2), keepdims=True)
            factors = 1.0 + self.contrast * stronger[:, None, None, None]
            changed = means + factors * (changed - means)
        if self.brightness:
            changed += 255.0 * self.brightness * brighter[:, None, None, None]
        whole = tf.cast(tf.clip_by_value(tf.round(changed), 0.0, 255.0), tf.uint8)
        return tf.ensure_shape(whole, images.shape)

    def mixed(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mix each image with the next one: see `models.inputs.layers.mixing.mixed`."""
        return mixed(images, self.mixup, self.cutmix, seed)

    def _transforms(
        self, shape: tf.Tensor, flips: tf.Tensor, moves: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """The maps from output pixels to input pixels: float32 [batch, 8], as
        `ImageProjectiveTransformV3` takes them. flips, moves: random float32 [batch], from -1 to 1.
        """
        right, down, turn, size = moves
        height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
        mirror = tf.where(flips < 0, -1.0, 1.0) if self.flip else tf.ones_like(flips)
        angle = math.radians(self.rotate) * turn
        scale = 1.0 + self.zoom * size
        cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
        x, y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
        a, b, d, e = mirror * cosine, -mirror * sine, sine, cosine
        c = x - a * x - b * y + self.shift * width * right
        f = y - d * x - e * y + self.shift * height * down
        zero = tf.zeros_like(a)
        return tf.stack([a, b, c, d, e, f, zero, zero], axis=1)
