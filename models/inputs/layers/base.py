"""How a feature kind is preprocessed in TensorFlow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from models.inputs.base import Feature
from models.lazy import tf

F = TypeVar("F", bound=Feature)
S = TypeVar("S")

MISSING, PADDING, UNKNOWN, FIRST = 0, 0, 1, 2
"""Ids of categories and words: missing value, padding of a sequence, value that is not in the
vocabulary, first value of the vocabulary.
"""


class FeaturePreprocessing(ABC, Generic[F, S]):
    """From raw [batch] to preprocessed [batch, ...], as the feature class states.

    The subclass of a kind lies in the module of that name in `models.inputs.layers`. S: the type of
    its state: what TensorFlow has to track, so that a SavedModel holds it; None if it needs none.
    """

    @abstractmethod
    def state(self, feature: F) -> S:
        """Look-up tables, layers and the like, made once and outside of any graph."""

    @abstractmethod
    def apply(self, feature: F, raw: tf.Tensor, state: S) -> tf.Tensor: ...

    def apply_counting_cuts(
        self, feature: F, raw: tf.Tensor, state: S
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`apply`, and the number of rows of which it leaves out the end: int32 scalar."""
        return self.apply(feature, raw, state), tf.constant(0)

    def published_input(self, feature: F) -> tf.TensorSpec:
        """What a published TF-Hub module takes: the raw values."""
        return tf.TensorSpec([None], feature.raw_dtype, feature.name)

    def apply_published(self, feature: F, value: tf.Tensor, state: S) -> tf.Tensor:
        """Preprocess a batch of what a published TF-Hub module takes."""
        return self.apply(feature, value, state)


class Stateless(FeaturePreprocessing[F, None]):
    """Preprocessing that needs no state."""

    def state(self, feature: F) -> None:
        return None
