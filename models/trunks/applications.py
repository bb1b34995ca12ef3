"""An image model of `keras.applications`, pretrained on ImageNet."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from models.inputs.base import Feature, Input
from models.inputs.image import ImageFeature, ImageInput
from models.lazy import keras
from models.masked_url import MaskedUrl
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.pretrained import joined, name_groups, only, pixels, pooled
from models.trunks.sources.reachability import unreachable

IMAGENET = "imagenet"
HOST = MaskedUrl("https://storage.googleapis.com")
"""Where Keras downloads the weights from."""


@dataclass(frozen=True, kw_only=True)
class Applications(Trunk):
    """The convolutional part of a model, averaged over all positions. Pixels are rescaled inside,
    as the model requires.

    model: class name in `keras.applications`, such as MobileNetV2, EfficientNetB0 or ConvNeXtTiny.
    weights: `imagenet` (downloaded once to `~/.keras/models`), or a weights file of the model
        without its top.
    alpha: width multiplier of the MobileNets.
    side: height and width to resize images to, for images smaller than those the model was trained
        on; without it they keep their size.
    pretrained: false for the same architecture with random weights.
    """

    name: Literal["applications"] = "applications"
    model: str
    weights: str = field(default=IMAGENET, metadata={"fingerprint": False, "path": True})
    alpha: Annotated[float, Field(gt=0)] = 1.0
    side: Annotated[int, Field(ge=1)] | None = None
    pretrained: bool = True

    def files(self) -> tuple[str, ...]:
        # Keras checks the digest of its own weights: the model's name and `alpha` identify them.
        return (self.weights,) if self.pretrained and self.weights != IMAGENET else ()

    def is_here(self) -> bool:
        return not self.pretrained or self.weights != IMAGENET or _cached(self.model)

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        others = [i for i in inputs if not isinstance(i, ImageInput)]
        what = f"keras.applications.{self.model} reads images, but inputs"
        wrong = [f"{what}.{i.name} is {i.kind}." for i in others]
        if not self.pretrained:
            return wrong
        if self.weights != IMAGENET:
            missing = f"{self.model}: weights {self.weights!r}: no such file."
            return wrong if os.path.isfile(self.weights) else [*wrong, missing]
        if not _cached(self.model) and (why := unreachable(HOST)):
            wrong.append(
                f"{self.model}: its ImageNet weights are not in {_cache()}, and {why}. Name a file"
                " under `weights`, or run once with network access."
            )
        return wrong

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        builder = self._builder()
        images = only(ImageFeature, features, f"keras.applications.{self.model}")
        sizes = {(self.side or f.height, self.side or f.width) for f in images}
        if len(sizes) > 1:
            raise TrunkError(
                f"{self.model} reads images of one size. Received: {sorted(sizes)}. Give all inputs"
                " the same size, or set the trunk's `side`."
            )
        side = sizes.pop()
        convnet = self._convnet(side)
        name_groups(convnet, "stem")
        rescale = sys.modules[builder.__module__].preprocess_input
        inputs = {f.name: keras_input(f) for f in images}
        encoded = [pooled(convnet.call(rescale(pixels(x, side))), "mean") for x in inputs.values()]
        return keras.Model(inputs, joined(encoded), name="trunk")

    def with_saved_files(self, directory: Path) -> Applications:
        return replace(self, weights=IMAGENET, pretrained=False)

    def _convnet(self, side: tuple[int, int]) -> keras.Model:
        multiplier = {"alpha": self.alpha} if self.model.startswith("MobileNet") else {}
        if self.alpha != 1 and not multiplier:
            raise TrunkError(f"{self.model} has no `alpha`; only the MobileNets do.")
        weights = IMAGENET if self.pretrained and self.weights == IMAGENET else None
        try:
            convnet = self._builder()(
                include_top=False, weights=weights, input_shape=(*side, 3), **multiplier
            )
        except Exception as e:  # downloads fail with many exceptions; a wrong size is a ValueError
            what = f"keras.applications.{self.model} for images of {side[0]}x{side[1]}"
            raise TrunkError(f"{what}: {e}") from e
        if self.pretrained and self.weights != IMAGENET:
            self._load(convnet)
        return convnet

    def _builder(self) -> Any:
        builder = getattr(keras.applications, self.model, None)
        if builder is None or not self.model[0].isupper():
            known = [n for n in vars(keras.applications) if n[0].isupper()]
            raise TrunkError(f"keras.applications has no {self.model}. Expected one of: {known}")
        return builder

    def _load(self, convnet: keras.Model) -> None:
        import h5py

        try:
            # Keras skips missing layers with a warning.
            with warnings.catch_warnings(action="error"):
                convnet.load_weights(self.weights)
        except Exception as e:  # Keras raises many types; look for the layer that does not fit
            try:
                with h5py.File(self.weights) as file:
                    why = next(_mismatches(convnet, file), str(e))
            except OSError as unreadable:
                why = f"it cannot be read: {unreadable}"
            raise TrunkError(
                f"weights {self.weights!r} do not fit {self.model} (alpha {self.alpha}): {why}"
            ) from e


def _mismatches(model: keras.Model, file: Any) -> Iterator[str]:
    """Layers whose weights do not fit those in an HDF5 file of Keras 3 or 2, as sentences."""
    import h5py

    stored = file.get("layers", file)
    by_name = {
        str(group["vars"].attrs.get("name", key)) if "vars" in group else key: group
        for key, group in stored.items()
    }
    for layer in model.layers:
        if not layer.weights:
            continue
        expected = sorted(tuple(w.shape) for w in layer.weights)
        group = by_name.get(layer.name)
        if group is None:
            yield f"layer {layer.name!r}: expected weights {expected}. Received: no such layer."
            continue
        shapes: list[tuple[int, ...]] = []
        group.visititems(
            lambda _, v, to=shapes: to.append(v.shape) if isinstance(v, h5py.Dataset) else None
        )
        if sorted(shapes) != expected:
            yield f"layer {layer.name!r}: expected weights {expected}. Received: {sorted(shapes)}."


def _cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"


def _cached(model: str) -> bool:
    """Whether Keras's cache seems to have the weights of a model without its top."""

    def plain(name: str) -> str:
        return re.sub("[^a-z0-9]", "", name.lower())

    names = [plain(file.name) for file in _cache().glob("*.h5")]
    return any(plain(model) in name and "notop" in name for name in names)
