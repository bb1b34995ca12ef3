"""Publishes a trunk as a reusable SavedModel, which `tensorflow_hub.load` reads without Rootstock.

The interface is https://www.tensorflow.org/hub/reusable_saved_models. Imports TensorFlow.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.inputs.base import Feature
from models.inputs.layers.preprocessing import Preprocessing, published_inputs
from models.lazy import keras, tf
from models.trunks.base import layer_groups
from models.trunks.layers.hub_module import GROUPS, adopted
from models.trunks.layers.members import join_members, members_of


def publish(trunk: keras.Model, features: tuple[Feature, ...], directory: Path) -> None:
    """Write `trunk`, built for `features`, into a new directory, atomically.

    The module reads images as float32 [batch, height, width, channels] in [0, 1], numbers as
    float32 [batch] and everything else as strings [batch]. A single feature is passed as it is,
    several as a dict by name. `training` defaults to False. It returns float32 [batch, width],
    with the members of an ensemble side by side.

    Raises:
        FileExistsError: the directory exists.
    """
    if directory.exists():
        raise FileExistsError(f"{directory} exists already. Publish to a new directory.")
    named = published_inputs(features)
    input_spec = next(iter(named.values())) if len(features) == 1 else named
    preprocessing, members = Preprocessing(features), members_of(trunk)

    def call(inputs: tf.Tensor | Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        by_name = inputs if isinstance(inputs, Mapping) else {features[0].name: inputs}
        prepared = preprocessing.of_published(by_name)
        return join_members(tf.cast(trunk(prepared, training=training), tf.float32), members)

    module = tf.train.Checkpoint()
    function = tf.function(call, autograph=False)
    for training in (False, True):
        function.get_concrete_function(input_spec, training)
    module.__call__ = function
    module.variables = [v.value for v in trunk.variables]
    module.trainable_variables = [v.value for v in trunk.trainable_variables]
    module.regularization_losses = _regularization_losses(trunk)
    groups = enumerate(layer_groups(trunk).items())
    weights = {f"{i:03d}.{g}": [w.value for la in ls for w in la.weights] for i, (g, ls) in groups}
    setattr(module, GROUPS, weights)
    module.modules = [la.module for la in adopted(trunk)]
    module.preprocessing = preprocessing

    new = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    try:
        tf.saved_model.save(module, str(new))
        new.rename(directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _regularization_losses(trunk: keras.Model) -> list[Any]:
    """TensorFlow functions without arguments; each returns a scalar loss."""

    def loss(variable: keras.Variable) -> Any:
        function = tf.function(lambda: variable.regularizer(variable.value), autograph=False)
        function.get_concrete_function()
        return function

    own = [loss(v) for v in trunk.trainable_variables if v.regularizer is not None]
    return own + [f for la in adopted(trunk) for f in la.regularization_losses]
