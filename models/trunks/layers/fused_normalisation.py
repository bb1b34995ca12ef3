"""Batch normalisation in one TensorFlow operation. Importing this module imports TensorFlow.

Keras writes the normalisation of a training batch and its gradient as about thirty operations, each
of which reads and writes all activations, in mixed precision as float32. TensorFlow has the formula
(Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1) as one operation and one gradient, which
oneDNN computes, also in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable

from models.lazy import keras, tf

DTYPES = ("float32", "bfloat16", "float16")
LEAST_EPSILON = 1.001e-5
"""cuDNN takes no smaller one."""


def fuse_normalisation(model: keras.Model) -> None:
    """Let the batch normalisations of images in a model compute training batches that way.

    Results are those of Keras but for rounding. Inference, and so what is served, stays as it is.
    """
    if keras.config.backend() == "tensorflow":
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization) and _is_plain(layer):
                layer.call = _fused(layer, layer.call)


def _is_plain(layer: keras.layers.BatchNormalization) -> bool:
    """Whether it normalises the channels of [batch, height, width, channels] by the batch."""
    of_channels = layer.built and layer.input_spec.ndim == 4 and layer.axis in (-1, 3)
    special = layer.renorm or layer.epsilon < LEAST_EPSILON
    return of_channels and not special


def _fused(
    layer: keras.layers.BatchNormalization, call: Callable[..., tf.Tensor]
) -> Callable[..., tf.Tensor]:
    def fused(
        x: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        alone = not layer.synchronized  # with several devices, after the model was built
        trains = training and layer.trainable and mask is None and alone
        if not trains or not tf.is_tensor(x) or x.dtype.name not in DTYPES:
            return call(x, training=training, mask=mask)
        channels = x.shape[-1]
        ones, zeros, momentum = tf.ones([channels]), tf.zeros([channels]), layer.momentum
        normalised = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=ones if layer.gamma is None else layer.gamma,
            offset=zeros if layer.beta is None else layer.beta,
            mean=[],
            variance=[],
            epsilon=layer.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(x) // channels, tf.float32)
        biased = normalised.batch_variance * ((count - 1.0) / count)  # as Keras averages it
        for average, value in (
            (layer.moving_mean, normalised.batch_mean),
            (layer.moving_variance, biased),
        ):
            average.assign(average * momentum + value * (1.0 - momentum))
        return normalised.y

    return fused
