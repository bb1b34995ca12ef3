"""A module of TensorFlow Hub: any reusable SavedModel (TF2), or a signature of another one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from models.inputs.base import Feature, Input
from models.inputs.encodings import Raw, Reading
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.raw_text import RawTextFeature
from models.inputs.text import TextInput
from models.lazy import Tensor, keras, tf
from models.masked_url import MaskedUrl
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.pretrained import joined, only, pixels, pooled
from models.trunks.sources.hub_handles import check_module, is_cached, module_directory

if TYPE_CHECKING:
    from models.trunks.layers.hub_module import AdoptedModule


@dataclass(frozen=True, kw_only=True)
class TfHub(Trunk):
    """Images enter the module as float32 in [0, 1], in the module's size. Texts enter as strings,
    through its preprocessing module if it has one. Outputs of higher rank are averaged over their
    positions.

    handle: a SavedModel directory, an archive of one, or a URL. Downloads are cached in
        `TFHUB_CACHE_DIR`, as `tensorflow_hub` does.
    preprocess: handle of the module that converts strings to the encoder's inputs.
    output: name of the output to use; `pooled_output` or `default` when empty.
    signature: name of a signature to call instead of the module; such a module cannot be trained.
    hyperparameters: fixed arguments of every call.
    side: height and width to resize images to, for modules that accept any size.
    """

    name: Literal["tf_hub"] = "tf_hub"
    handle: MaskedUrl = field(metadata={"fingerprint": False, "path": True})
    preprocess: MaskedUrl = field(
        default=MaskedUrl(""), metadata={"fingerprint": False, "path": True}
    )
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
        return tuple(str(module_directory(h)) for h in self._named().values())

    def is_here(self) -> bool:
        return all(is_cached(handle) for handle in self._named().values())

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        wrong = [sentence for h in self._named().values() for sentence in check_module(h)]
        kinds = {i.kind for i in inputs}
        if not all(isinstance(i, ImageInput | TextInput) for i in inputs) or len(kinds) > 1:
            listed = ", ".join(f"inputs.{i.name} is {i.kind}" for i in inputs)
            wrong.append(f"trunk tf_hub reads either images or texts, but {listed}.")
        return wrong

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        from models.trunks.layers.hub_module import AdoptedModule

        directory, arguments = module_directory(self.handle), self.hyperparameters
        module = AdoptedModule(directory, self.handle, "module", self.signature, arguments)
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

    def save_files(self, directory: Path) -> None:
        for name, handle in self._named().items():
            shutil.copytree(module_directory(handle), directory / name)

    def with_saved_files(self, directory: Path) -> TfHub:
        preprocess = str(directory / "preprocess") if self.preprocess else ""
        handle = str(directory / "handle")
        return replace(self, handle=MaskedUrl(handle), preprocess=MaskedUrl(preprocess))

    def _named(self) -> dict[str, MaskedUrl]:
        named = {"handle": self.handle, "preprocess": self.preprocess}
        return {name: handle for name, handle in named.items() if handle}

    def _encode_image(self, module: AdoptedModule, image: Tensor) -> Tensor:
        spec = module.module_input_spec
        is_tensor = isinstance(spec, tf.TensorSpec)
        if not is_tensor or not spec.dtype.is_floating or spec.shape.rank != 4:
            raise self._mismatch("float32 images [batch, height, width, channels]", spec)
        _, height, width, channels = spec.shape
        default = (self.side, self.side) if self.side else tuple(image.shape[1:3])
        side = (height or default[0], width or default[1])
        if self.side and side != default:
            raise self._mismatch(f"images of {self.side}x{self.side}, the trunk's `side`", spec)
        channels = channels or 3
        if channels < image.shape[-1]:
            raise self._mismatch(f"images of {image.shape[-1]} channels", spec)
        x = pixels(image, side, channels) / 255.0
        return self._representation(module(keras.ops.cast(x, spec.dtype.name)))

    def _encode_texts(self, module: AdoptedModule, texts: list[Tensor]) -> list[Tensor]:
        from models.trunks.layers.hub_module import AdoptedModule

        first = module
        if self.preprocess:
            directory = module_directory(self.preprocess)
            first = AdoptedModule(directory, self.preprocess, "preprocess", adopt=False)
        spec = first.module_input_spec
        is_text = isinstance(spec, tf.TensorSpec) and spec.dtype == tf.string
        if not is_text or spec.shape.rank not in (1, None):
            hint = "" if self.preprocess else " Name its preprocessing module under `preprocess`."
            raise self._mismatch("strings [batch]", spec, hint)
        prepared = [first(x) for x in texts] if self.preprocess else texts
        for x in prepared if self.preprocess else ():
            self._check_prepared(module.module_input_spec, x)
        return [self._representation(module(x)) for x in prepared]

    def _check_prepared(self, spec: object, prepared: object) -> None:
        """Raises a TrunkError if the encoder does not expect the preprocessing module's outputs."""
        expected = sorted(spec) if isinstance(spec, Mapping) else None
        received = sorted(prepared) if isinstance(prepared, Mapping) else None
        if expected != received:
            outputs = prepared if received is None else received
            raise self._mismatch(f"the outputs of {self.preprocess!r}, {outputs}", spec)

    def _representation(self, outputs: Any) -> Tensor:
        """The output to use, pooled to [batch, width]."""
        named = outputs if isinstance(outputs, Mapping) else {"one without a name": outputs}
        names = [self.output] if self.output else ["pooled_output", "default"]
        names += [] if self.output or len(named) > 1 else list(named)
        output = next((named[n] for n in names if n in named), None)
        if output is None:
            raise TrunkError(
                f"module {self.handle!r}: expected output"
                f" {self.output or 'pooled_output or default'!r}. Available:"
                f" {', '.join(sorted(named))}. Name one under `output`."
            )
        if len(output.shape) < 2 or output.shape[-1] is None:
            raise TrunkError(
                f"module {self.handle!r}: expected an output [batch, …, width]. Received shape"
                f" {tuple(output.shape)}"
            )
        return pooled(output, "mean")

    def _mismatch(self, received: str, spec: object, hint: str = "") -> TrunkError:
        return TrunkError(f"module {self.handle!r} expects {spec}. Received: {received}.{hint}")
