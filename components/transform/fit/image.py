"""Images need no state."""

from __future__ import annotations

from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.image import ImageFeature, ImageInput


class ImageFit(InputFit[ImageInput]):
    """Its size is that of the spec."""

    def fit(self, spec: ImageInput, training: TrainingColumn) -> ImageFeature:
        return ImageFeature(
            name=spec.name,
            column=spec.column,
            height=spec.height,
            width=spec.width,
            channels=spec.channels,
        )
