"""A reusable SavedModel as a Keras layer that trains the module's own variables.

`hub.KerasLayer` is a Keras 2 layer; `keras.layers.TFSMLayer` fails on the names of real variables
and supports neither `training` nor regularisation losses. The interface of modules is
https://www.tensorflow.org/hub/reusable_saved_models. Importing this module imports TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models.lazy import keras, tf
from models.trunks.base import TrunkError
from models.trunks.pretrained import stage_of

TF1_FILE = "tfhub_module.pb"
"""A file that only modules in TF1 Hub format have."""

GROUPS = "layer_groups"
"""The attribute of modules published by this package that has their variables by layer group."""


class VariableGroup(keras.layers.Layer):  # type: ignore[misc]
    """Holds variables of a module as Keras variables. It is never called."""

    def __init__(self, name: str, variables: Iterable[tf.Variable], trainable: set[int]) -> None:
        super().__init__(name=name, dtype="float32")
        for v in variables:
            weight = self.add_weight(
                shape=v.shape,
                dtype=v.dtype.name,
                initializer="zeros",
                trainable=id(v) in trainable,
                autocast=False,
                name=re.sub(r"[:/]", ".", v.name.removesuffix(":0")),
            )
            weight._value = v  # Keras has no public way to adopt a variable
        self.built = True


class AdoptedModule(keras.Model):  # type: ignore[misc]
    """Calls a loaded module. Its layers are the groups of the module's variables, in order.

    If no group is trainable, the module runs in inference mode even in training.

    handle: for messages. signature: to call instead of the module, which then cannot be trained.
    arguments: fixed hyperparameters of every call. adopt: whether the module's variables become
    weights of this model. why_frozen: why it cannot be trained; empty if it can be.
    """

    def __init__(
        self,
        directory: Path,
        handle: str,
        name: str,
        signature: str = "",
        arguments: Mapping[str, bool | int | float | str] | None = None,
        adopt: bool = True,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        tf1 = (directory / TF1_FILE).exists()
        try:
            # An attribute, because the module must live as long as its variables are used.
            self.module = tf.saved_model.load(str(directory), tags=[] if tf1 else None)
        except Exception as e:  # broken SavedModels raise many types
            raise TrunkError(f"module {handle!r} cannot be loaded: {e}") from e
        self.handle, self.signature = handle, signature
        if tf1 and not signature:
            self.signature = "default"
        self.function = self._function()
        self.arguments = dict(arguments or {})
        self.has_training_argument = not self.signature and "training" in self._parameters()
        self._check_arguments()
        trainable = () if self.signature else getattr(self.module, "trainable_variables", ())
        self.why_frozen = self._why_frozen(tf1, len(trainable)) if adopt else ""
        losses = getattr(self.module, "regularization_losses", ())
        self.regularization_losses = tuple(losses) if adopt and not self.why_frozen else ()
        ids, groups = {id(v) for v in trainable}, self._groups() if adopt else {}
        self.groups = [VariableGroup(f"{g}.variables", vs, ids) for g, vs in groups.items()]
        self.built = True

    @property
    def module_input_spec(self) -> Any:
        """The `tf.TensorSpec` of the module's input, or a dict of them."""
        if self.signature:
            named = self.function.structured_input_signature[1]
            return next(iter(named.values())) if len(named) == 1 else named
        positional, named = self.function.concrete_functions[0].structured_input_signature
        return positional[0] if positional else next(iter(named.values()))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The module's output, or a dict of outputs."""
        arguments = dict(self.arguments)
        if self.has_training_argument:
            arguments["training"] = bool(training) and bool(self.trainable_variables)
        if self.signature:
            names = list(self.function.structured_input_signature[1])
            named = inputs if isinstance(inputs, Mapping) else {names[0]: inputs}
            outputs = self.function(**named, **arguments)
        else:
            outputs = self.function(inputs, **arguments)
        if self.trainable_variables:
            for loss in self.regularization_losses:
                self.add_loss(loss())
        return outputs

    def _function(self) -> Any:
        signatures = getattr(self.module, "signatures", {})
        if self.signature:
            if self.signature not in signatures:
                raise TrunkError(
                    f"module {self.handle!r} has no signature {self.signature!r}. Its signatures:"
                    f" {', '.join(signatures) or 'none'}."
                )
            return signatures[self.signature]
        if callable(self.module) and getattr(self.module.__call__, "concrete_functions", None):
            return self.module.__call__
        raise TrunkError(
            f"module {self.handle!r} is no reusable SavedModel: it has no `__call__`. To use it"
            " without training it, name one of its signatures under `signature`:"
            f" {', '.join(signatures) or 'it has none'}."
        )

    def _parameters(self) -> list[str]:
        spec = self.function.function_spec.fullargspec
        return [*spec.args, *spec.kwonlyargs]

    def _check_arguments(self) -> None:
        parameters = [] if self.signature else self._parameters()[1:]
        known = [name for name in parameters if name != "training"]
        for name in self.arguments:
            if name not in known:
                raise TrunkError(
                    f"module {self.handle!r} has no hyperparameter {name!r}. Expected one of:"
                    f" {', '.join(known) or 'none'}."
                )

    def _why_frozen(self, tf1: bool, trainable: int) -> str:
        if tf1:
            return "it is in TF1 Hub format, which cannot be trained in TensorFlow 2"
        if self.signature:
            return f"it is called through its signature {self.signature!r}"
        return "" if trainable else "it has no `trainable_variables`"

    def _groups(self) -> dict[str, list[tf.Variable]]:
        """Variables by group, from input to output: as the module states, or by their names."""
        published = getattr(self.module, GROUPS, None)
        if published is not None:
            return {key.partition(".")[2]: list(published[key]) for key in sorted(published)}
        groups: dict[str, list[tf.Variable]] = {}
        group = "stem"
        for v in getattr(self.module, "variables", ()):
            if v.dtype != tf.string:
                number = stage_of(v.name)
                group = group if number is None else f"stage{number}"
                groups.setdefault(group, []).append(v)
        return groups


def adopted(trunk: keras.Model) -> list[AdoptedModule]:
    """The loaded modules in a trunk. A SavedModel of the trunk must track them."""
    return [la for la in trunk._flatten_layers() if isinstance(la, AdoptedModule)]


def why_frozen(trunk: keras.Model) -> str:
    """Why a trunk cannot be trained; empty if it can be."""
    frozen = next((la for la in adopted(trunk) if la.why_frozen), None)
    if frozen is None or trunk.trainable_variables:
        return ""
    return f"module {frozen.handle!r} cannot be trained: {frozen.why_frozen}"
