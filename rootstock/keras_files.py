"""Trained models as functional Keras models, and their `.keras` files. Imports TensorFlow."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Mapping
from typing import Any

import keras

import models.sharing.layers
import models.trunks.layers
from models.experts.margins import MARGINS
from models.multitask.model import MultitaskModel as Trained


def functional(model: Trained) -> keras.Model:
    """A functional model from features by name to the answers by task, with the same weights."""
    wanted = (*model.features, *model.margins)
    inputs = {f.name: keras.Input(f.shape, dtype=f.dtype, name=f.name) for f in wanted}
    outputs = None if model.last_word.without_network else Trained.call(model, inputs)
    if model.margins:
        outputs = model.last_word(outputs, inputs[MARGINS])
    assert outputs is not None
    answers = {h.target.name: model.calibrated(h, outputs[h.target.name]) for h in model.heads}
    return keras.Model(inputs, answers, name="multitask")


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Read a `.keras` file that `Result.save`, or `to_keras().save`, wrote.

    The penalty of soft sharing is not in the file: the answers are the same, and training the
    model further is without it.
    """
    return keras.models.load_model(path, custom_objects=_layers())


def _layers() -> dict[str, type[keras.Layer]]:
    """The layers of Rootstock that models may have, by name."""
    for package in (models.sharing.layers, models.trunks.layers):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: dict[str, type[keras.Layer]] = {}
    waiting = [keras.Layer]
    while waiting:
        for layer in waiting.pop().__subclasses__():
            if layer.__module__.startswith("models."):
                found[layer.__name__] = _readable(layer)
            waiting.append(layer)
    return found


def _readable(layer: type[keras.Layer]) -> type[keras.Layer]:
    """A layer that Keras can make from its configuration, in which it states options that the
    constructors of most of our layers do not take.
    """
    parameters = inspect.signature(layer.__init__).parameters.values()
    any_option = any(p.kind is p.VAR_KEYWORD for p in parameters)
    names = {p.name for p in parameters}

    class Readable(layer):  # type: ignore[misc]
        @classmethod
        def from_config(cls, config: Mapping[str, Any]) -> keras.Layer:
            known = {k: v for k, v in config.items() if any_option or k in names}
            try:
                return layer(**known)
            except TypeError:  # a layer that is float32 in any case states it by itself
                return layer(**{k: v for k, v in known.items() if k != "dtype"})

    return Readable
