"""Transform: the state of the features from training data, and every split preprocessed with it."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Batches, Examples, Preprocessing, Statistics
from components.stage import Context, Stage
from models.inputs import Input


@dataclass(frozen=True)
class TransformInputs:
    examples: Examples
    statistics: Statistics


@dataclass(frozen=True)
class TransformOutputs:
    preprocessing: Preprocessing
    batches: Batches


@dataclass(frozen=True, kw_only=True)
class Transform(Stage[TransformInputs, TransformOutputs]):
    """Applies the very Keras layers that the served model holds, once instead of every epoch."""

    inputs: tuple[Input, ...]

    def run(self, inputs: TransformInputs, context: Context) -> TransformOutputs:
        raise NotImplementedError
