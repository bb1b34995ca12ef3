"""A module of TensorFlow Hub: any reusable SavedModel (TF2), or a signature of any other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.inputs.base import Feature, Input
from models.inputs.encodings import Raw, Reading
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.raw_text import RawTextFeature
from models.inputs.text import TextInput
from models.lazy import keras, tf
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.pretrained import joined, only, pixels, pooled
from models.trunks.sources.hub_handles import check_module, module_directory

if TYPE_CHECKING:
    from models.trunks.layers.hub_module import AdoptedModule


@dataclass(frozen=True, kw_only=True)
class TfHub(Trunk):
    """Images reach the module as float32 in [0, 1], in its own size; texts as strings, through its
    preprocessing module if it has one. An output of higher rank is averaged over its positions.

    handle: a SavedModel directory, an archive of one, or a URL; URLs are cached in
        `TFHUB_CACHE_DIR`, as the library does.
    preprocess: handle of the module that makes the encoder's inputs of strings.
    output: which output, of a module that has several; `pooled_output` or `default` when empty.
    signature: to call a signature instead of the module: features alone, without training.
    hyperparameters: fixed arguments of every call.
    side: height and width to resize images to, for modules that take any.
    """

    __pydantic_config__ = STRICT
    name: Literal["tf_hub"] = "tf_hub"
    handle: str = field(metadata={"fingerprint": False, "path": True})
    preprocess: str = field(default="", metadata={"fingerprint": False, "path": True})
    output: str = ""
    signature: str = ""
    hyperparameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    side: Annotated[int, Field(ge=1)] | None = None

    @property
    def pretrained(self) -> bool:
        return True

    def reading(self) -> Reading:
        return Raw()

    def files(self) -> tuple[str, ...]:
        return tuple(str(module_directory(h)) for h in self._handles())

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        wrong = [sentence for h in self._handles() for sentence in check_module(h)]
        kinds = {i.kind for i in inputs}
        if not all(isinstance(i, ImageInput | TextInput) for i in inputs) or len(kinds) > 1:
            listed = ", ".join(f"inputs.{i.name} is {i.kind}" for i in inputs)
            wrong.append(f"trunk tf_hub reads images or texts, one of the two, but {listed}.")
        return wrong

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        from models.trunks.layers.hub_module import AdoptedModule

        module = AdoptedModule(
            module_directory(self.handle),
            self.handle,
            "module",
            self.signature,
            self.hyperparameters,
        )
        what = f"module {self.handle!r}"
        if isinstance(features[0], ImageFeature):
            images = only(ImageFeature, features, what)
            inputs = {f.name: keras_input(f) for f in images}
            encoded = [self._encode_image(module, x) for x in inputs.values()]
        else:
            texts = only(RawTextFeature, features, what)
            inputs = {f.name: keras_input(f) for f in texts}
            encoded = self._encode_texts(module, list(inputs.values()))
        return keras.Model(inputs, joined(encoded), name="trunk")

    def keep(self, directory: Path) -> None:
        for name, handle in self._named().items():
            shutil.copytree(module_directory(handle), directory / name)

    def kept_in(self, directory: Path) -> TfHub:
        preprocess = str(directory / "preprocess") if self.preprocess else ""
        return replace(self, handle=str(directory / "handle"), preprocess=preprocess)

    def _named(self) -> dict[str, str]:
        named = {"handle": self.handle, "preprocess": self.preprocess}
        return {name: handle for name, handle in named.items() if handle}

    def _handles(self) -> tuple[str, ...]:
        return tuple(self._named().values())

    def _encode_image(self, module: AdoptedModule, image: keras.KerasTensor) -> keras.KerasTensor:
        takes = module.takes
        wanted = (
            isinstance(takes, tf.TensorSpec) and takes.dtype.is_floating and takes.shape.rank == 4
        )
        if not wanted:
            raise self._misfit("float32 images [batch, height, width, channels]", takes)
        _, height, width, channels = takes.shape
        own = (self.side, self.side) if self.side else tuple(image.shape[1:3])
        side = (height or own[0], width or own[1])
        if self.side and side != own:
            raise self._misfit(f"images of {self.side}x{self.side}, the trunk's `side`", takes)
        channels = channels or 3
        if channels < image.shape[-1]:
            raise self._misfit(f"images of {image.shape[-1]} channels", takes)
        x = pixels(image, side, channels) / 255.0
        return self._chosen(module(keras.ops.cast(x, takes.dtype.name)))

    def _encode_texts(
        self, module: AdoptedModule, texts: list[keras.KerasTensor]
    ) -> list[keras.KerasTensor]:
        from models.trunks.layers.hub_module import AdoptedModule

        first = module
        if self.preprocess:
            where = module_directory(self.preprocess)
            first = AdoptedModule(where, self.preprocess, "preprocess", adopt=False)
        takes = first.takes
        is_text = isinstance(takes, tf.TensorSpec) and takes.dtype == tf.string
        if not is_text or takes.shape.rank not in (1, None):
            hint = "" if self.preprocess else " Name its preprocessing module under `preprocess`."
            raise self._misfit("strings [batch]", takes, hint)
        if not self.preprocess:
            return [self._chosen(module(x)) for x in texts]
        return [self._chosen(module(self._fitting(module, first(x)))) for x in texts]

    def _fitting(self, module: AdoptedModule, given: object) -> object:
        """The outputs of the preprocessing module, if the encoder takes such."""
        takes = module.takes
        expected = sorted(takes) if isinstance(takes, Mapping) else takes
        found = sorted(given) if isinstance(given, Mapping) else given
        if isinstance(takes, Mapping) != isinstance(given, Mapping) or (
            isinstance(takes, Mapping) and expected != found
        ):
            raise self._misfit(f"the outputs of {self.preprocess!r}, {found}", takes)
        return given

    def _chosen(self, outputs: object) -> keras.KerasTensor:
        """[batch, width] of a module's outputs."""
        if isinstance(outputs, Mapping):
            names = [self.output] if self.output else ["pooled_output", "default"]
            names += [] if self.output or len(outputs) > 1 else list(outputs)
            found = next((outputs[n] for n in names if n in outputs), None)
        else:
            found = None if self.output else outputs
        if found is None:
            there = (
                ", ".join(sorted(outputs)) if isinstance(outputs, Mapping) else "one without a name"
            )
            raise TrunkError(
                f"module {self.handle!r}: expected output"
                f" {self.output or 'pooled_output or default'!r}. Outputs there: {there}. Name one"
                " under `output`."
            )
        if len(found.shape) < 2 or found.shape[-1] is None:
            raise TrunkError(
                f"module {self.handle!r}: expected an output [batch, …, width]. Received shape"
                f" {tuple(found.shape)}"
            )
        return pooled(found, "mean")

    def _misfit(self, received: str, takes: object, hint: str = "") -> TrunkError:
        return TrunkError(f"module {self.handle!r} expects {takes}. Received: {received}.{hint}")


def adopted(trunk: keras.Model) -> list[AdoptedModule]:
    """The loaded modules in a trunk: a SavedModel of it has to track them."""
    from models.trunks.layers.hub_module import AdoptedModule

    return [la for la in trunk.layers if isinstance(la, AdoptedModule)]


def why_frozen(trunk: keras.Model) -> str:
    """Why a trunk cannot be trained; empty if it can."""
    reasons = [
        f"module {la.handle!r} gives features alone: {la.why_frozen}"
        for la in adopted(trunk)
        if la.why_frozen
    ]
    return reasons[0] if reasons and not trunk.trainable_variables else ""
