"""Images need no state."""

from __future__ import annotations

from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.encodings import ReadingOfInput
from models.inputs.image import ImageFeature, ImageInput


class ImageFit(InputFit[ImageInput]):
    def fit_alone(self, spec: ImageInput, reading: ReadingOfInput) -> ImageFeature:
        return ImageFeature(**vars(spec))

    def fit(self, spec: ImageInput, training: TrainingColumn) -> ImageFeature:
        return ImageFeature(**vars(spec), optional=training.column.missing > 0)
