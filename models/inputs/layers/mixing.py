"""Mixes pairs of images: mixup (Zhang et al. 2018, arXiv:1710.09412, section 2) and CutMix (Yun et
al. 2019, arXiv:1905.04899, section 3.1 and algorithm A1).

Each image is mixed with the next one of its batch. Unlike the papers' code, each pair has its own
share, the share of the image itself is at least one half (the same pairs, the other way round), and
a box that is pasted lies inside the image.
"""

from __future__ import annotations

from models.lazy import tf


def mixed(
    images: tf.Tensor, mixup: float, cutmix: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixed images, and the share of each image in its mixture, float32 [batch] from 0.5 to 1.

    Args:
        images: uint8 [batch, height, width, channels].
        mixup: both parameters of the beta distribution of the share; 0 if it is not used.
        cutmix: the same. If both are used, each image takes one of them, at random.
        seed: int64 [2]; the same seed gives the same result.
    """
    rows = tf.shape(images)[0]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    choice, down, right = tf.unstack(tf.random.stateless_uniform([3, rows], seeds[0]))
    cuts = choice < (0.5 if mixup and cutmix else float(cutmix > 0))
    alphas = tf.where(cuts, float(cutmix), float(mixup))
    gammas = tf.random.stateless_gamma([2, rows], seeds[1], alphas)
    shares = tf.math.divide_no_nan(gammas[0], gammas[0] + gammas[1])
    shares = tf.maximum(shares, 1.0 - shares)
    boxes = _boxes(tf.shape(images), 1.0 - shares, down, right)
    of_other = tf.where(cuts[:, None, None, None], boxes, (1.0 - shares)[:, None, None, None])
    own, other = tf.cast(images, tf.float32), tf.cast(tf.roll(images, -1, 0), tf.float32)
    whole = tf.cast(tf.round(own + of_other * (other - own)), tf.uint8)
    return tf.ensure_shape(whole, images.shape), 1.0 - tf.reduce_mean(of_other, (1, 2, 3))


def _boxes(shape: tf.Tensor, areas: tf.Tensor, down: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """float32 [batch, height, width, 1]: 1 in a box of at most that share of the image.

    down, right: [batch], where it lies, from 0 to 1.
    """
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)

    def inside(side: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        length = tf.floor(tf.sqrt(areas) * side)[:, None]
        first = tf.floor(place[:, None] * (side - length + 1.0))
        at = tf.range(side)[None]
        return tf.cast((at >= first) & (at < first + length), tf.float32)

    return inside(height, down)[:, :, None, None] * inside(width, right)[:, None, :, None]
