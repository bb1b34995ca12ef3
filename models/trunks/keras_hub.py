"""A pretrained backbone of KerasHub, for text or for images."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Tokens
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.sources.presets import CONFIG, local_preset
from models.inputs.text import TextInput
from models.inputs.tokens import TokensFeature
from models.lazy import keras, load
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.pretrained import joined, name_groups, only, pixels, pooled
from models.trunks.sources.memory import more_than_free
from models.trunks.sources.presets import (
    check_preset,
    fetched_preset,
    is_text,
    num_weights,
    positions,
    unconverted,
)
from models.trunks.sources.text_backbone import StoredDtype, check_learning, stored_as, text_model

CONVERTER = "image_converter.json"


@dataclass(frozen=True, kw_only=True)
class KerasHub(Trunk):
    """A preset, by name (`bert_tiny_en_uncased`, `hf://user/model`, …) or directory; also that of a
    Hugging Face model. The preset's own tokenizer is part of the served model.

    length: tokens per window, with the special ones. The `length` of an input counts words and has
        no effect here.
    windows: longer texts are read in up to this many windows of `length` tokens, and what remains
        is cut. Only the windows that a text needs are computed. 1 to read the beginning only.
    window_pooling: how the outputs of the windows become one vector: their `mean`, in which a
        window counts as much as it has tokens, or their `max`.
    pooling: how the outputs of the last layer become one vector. `mean`: the mean over all tokens
        or patches, as sentence encoders do; the default except for decoders. `last`: the output of
        the last token, for decoders such as GPT-2, whose default it is. `attention`: a weighted
        mean, whose weights are learned. `first`: the output of the first token, which only
        encoders have made of the whole text. `pooled`: the layer that BERT trained on top of it.
    normalize: divide the vector of a text by its length, as sentence encoders are compared; the
        heads then read its direction only.
    side: height and width to resize images to; by default the preset's own.
    dtype: of the weights in memory and in the served model; `bfloat16` halves both, for a frozen
        text trunk. It computes in float32.
    pretrained: false for the same architecture with random weights.
    """

    name: Literal["keras_hub"] = "keras_hub"
    preset: str = field(metadata={"fingerprint": False, "path": True})
    length: Annotated[int, Field(ge=3)] = 128
    windows: Annotated[int, Field(ge=1)] = 4
    window_pooling: Literal["mean", "max"] = "mean"
    pooling: Literal["mean", "first", "last", "attention", "pooled"] | None = None
    normalize: bool = False
    side: Annotated[int, Field(ge=1)] | None = None
    dtype: StoredDtype = "float32"
    pretrained: bool = True

    def reading(self) -> Reading:
        return Tokens(preset=self.preset, length=self.length, windows=self.windows)

    def files(self) -> tuple[str, ...]:
        return (str(fetched_preset(self.preset)),)

    def is_here(self) -> bool:
        return local_preset(self.preset) is not None

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        wrong, here = check_preset(self.preset), local_preset(self.preset)
        if wrong or here is None:
            return wrong
        kind, reads = (TextInput, "text") if is_text(here) else (ImageInput, "images")
        others = [i for i in inputs if not isinstance(i, kind)]
        what = f"preset {self.preset!r}"
        wrong = [f"{what} reads {reads}, but inputs.{i.name} is {i.kind}." for i in others]
        limit = positions(here) if kind is TextInput else None
        if limit is not None and self.length > limit:
            wrong.append(
                f"{what}: its {CONFIG} says that it has {limit} positions, but `length` is"
                f" {self.length}. Lower the trunk's `length`: longer texts are read in windows."
            )
        return wrong + more_than_free(what, num_weights(here), self.dtype)

    def check_transfer(self, frozen: bool) -> str:
        return check_learning(frozen, self.pooling, self.dtype)

    def check_pretraining(self) -> str:
        here = local_preset(self.preset)
        if here is not None and not is_text(here):
            return (
                f"model.pretraining: preset {self.preset!r} reads images, which have no tokens to"
                " predict. Remove model.pretraining."
            )
        if self.pooling == "pooled":
            return (
                "model.pretraining learns from the output at each token, which `pooling: pooled`"
                " leaves out. Choose another pooling, such as mean."
            )
        return check_learning(False, self.pooling, self.dtype)

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        backbone = self._backbone()
        if isinstance(backbone.input, dict) and any("token_ids" in k for k in backbone.input):
            texts, what = only(TokensFeature, features, self._what(backbone)), self._what(backbone)
            pooling = self.pooling, self.window_pooling, self.normalize
            return text_model(backbone, texts, what, *pooling)
        if not isinstance(backbone.input, dict | list) and len(backbone.input.shape) == 4:
            return self._image_model(backbone, only(ImageFeature, features, self._what(backbone)))
        raise TrunkError(
            f"{self._what(backbone)} reads {backbone.input}. Expected a backbone that reads only"
            " text or only images."
        )

    def save_files(self, directory: Path) -> None:
        backbone = replace(self, pretrained=False, dtype="float32")._backbone()
        (directory / CONFIG).write_text(json.dumps(keras.saving.serialize_keras_object(backbone)))
        if not isinstance(backbone.input, dict):
            converter = keras.saving.serialize_keras_object(self._converter(backbone))
            (directory / CONVERTER).write_text(json.dumps(converter))

    def with_saved_files(self, directory: Path) -> KerasHub:
        return replace(self, preset=str(directory), pretrained=False)

    def _what(self, backbone: keras.Model) -> str:
        return f"preset {self.preset!r} ({type(backbone).__name__})"

    def _backbone(self) -> keras.Model:
        hub = load("keras_hub")
        options = stored_as(self.dtype) | unconverted(fetched_preset(self.preset))
        try:
            return hub.models.Backbone.from_preset(self.preset, self.pretrained, **options)
        except Exception as e:  # Keras, KerasHub and safetensors raise many types
            raise TrunkError(
                f"preset {self.preset!r} cannot be loaded: {e}\nExpected {CONFIG} and all weights"
                " of the architecture that it states; download the preset again."
            ) from e

    def _image_model(
        self, backbone: keras.Model, features: tuple[ImageFeature, ...]
    ) -> keras.Model:
        if self.pooling in ("pooled", "last", "attention"):
            raise TrunkError(f"{self._what(backbone)}: pooling {self.pooling!r} is for text only.")
        if self.normalize:
            raise TrunkError(f"{self._what(backbone)}: `normalize` is for text only.")
        converter = self._converter(backbone)
        fixed = tuple(backbone.input.shape[1:3])
        side = (self.side, self.side) if self.side else converter.image_size
        if None not in fixed:
            if self.side and fixed != side:
                raise TrunkError(
                    f"{self._what(backbone)} only reads images of {fixed[0]}x{fixed[1]}. Received:"
                    f" side {self.side}"
                )
            side = fixed
        encoder = keras.Model(backbone.input, backbone.output)
        name_groups(encoder, "stem")
        scale = 1.0 if converter.scale is None else converter.scale
        rescale = keras.layers.Rescaling(scale, converter.offset or 0.0, name="stem.rescale")
        inputs, channels = {f.name: keras_input(f) for f in features}, encoder.input.shape[-1]
        images = [rescale(pixels(x, side, channels)) for x in inputs.values()]
        encoded = [pooled(encoder.call(x), self.pooling or "mean") for x in images]
        return keras.Model(inputs, joined(encoded), name="trunk")

    def _converter(self, backbone: keras.Model) -> keras.layers.Layer:
        """The preset's image preprocessing: size, scale and offset."""
        try:
            return load("keras_hub").layers.ImageConverter.from_preset(self.preset)
        except Exception as e:  # any type, as in `_backbone`
            raise TrunkError(
                f"{self._what(backbone)}: its pixel range is unknown: {e}\n"
                f"Expected a preset saved with its image converter ({CONVERTER})."
            ) from e
