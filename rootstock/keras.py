"""The layers and training steps of Rootstock on your own Keras model and `tf.data`.

    import rootstock as rs

    model = rs.keras.MultitaskModel(trunk, {"digit": 10, "even": "binary"}, balancing="pcgrad")
    model.compile("adam")
    model.fit(train, validation_data=val, epochs=3)

No spec, no stages and no files. This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter, ValidationError

from components.errors import RootstockError, did_you_mean
from models.balancing.base import Balancing
from models.discovery import methods
from models.multitask.adaptation import Adaptation
from models.multitask.methods import BalancingSpec, SharingSpec
from models.multitask.model import MultitaskModel as Trained
from models.optimizers.variable_rates import with_variable_rates
from models.sharing.base import Sharing
from models.tasks.base import Task, TaskTarget
from models.transfer.base import Transfer
from pipeline.spec.model import TransferSpec
from rootstock.keras_files import functional, load
from rootstock.own_trunk import OwnTrunk, Tensor, functional_of

Tensors = Mapping[str, tf.Tensor]


class MultitaskModel(Trained):
    """Your own model as the trunk that several tasks share: a Keras model with `fit`, `evaluate`
    and `predict`.

    It trains on a dataset of (inputs, labels): the inputs of your model, and a dict of labels
    [batch] by task. A row may lack labels: NaN for a missing number, -1 for a missing class. It
    then counts for its other tasks. The logs have `<task>_loss` and the metrics of each task.
    `predict` gives probabilities, or numbers, by task.
    """

    def __init__(
        self,
        trunk: keras.Model,
        tasks: Mapping[str, int | str | Mapping[str, Any]],
        *,
        sharing: str | Mapping[str, Any] = "hard",
        balancing: str | Mapping[str, Any] = "equal",
        transfer: str | Mapping[str, Any] | None = None,
    ) -> None:
        """Put heads on a model.

        Args:
            trunk: from your inputs to features [batch, width]. Its weights train further, from
                where they are; `transfer` changes that.
            tasks: by name: the number of classes, whose labels are 0, 1, …; or "binary",
                "regression" or "count"; or a mapping of a kind and its options, such as
                `{"kind": "binary", "weight": 2.0}`.
            sharing: a scheme by its name, or a mapping with its parameters, as under `model` in a
                spec: docs/methods.md lists them.
            balancing: how the losses of the tasks become one update, in the same form.
            transfer: which weights of the trunk train, when, and how fast, in the same form.

        Raises:
            RootstockError: a method or a kind is unknown, or does not fit the model.
        """
        trunk, inputs = functional_of(trunk)
        features = tuple(
            Tensor(name=name, column=name, row_shape=tuple(x.shape[1:]), type=x.dtype)
            for name, x in inputs.items()
        )
        mode: Transfer | None = _method("transfer", TransferSpec, transfer)
        if mode is not None and mode.on_pairs:
            raise RootstockError(
                f"transfer: {mode.name} trains on pairs of rows, which needs the pipeline: rs.run."
                " Expected another mode, such as fine_tune."
            )
        methods_: tuple[Sharing, Balancing] = (
            _method("sharing", SharingSpec, sharing),
            _method("balancing", BalancingSpec, balancing),
        )
        targets = tuple(_target(name, task) for name, task in tasks.items())
        try:
            super().__init__(features, targets, OwnTrunk(trunk), *methods_)
            self._adaptation = Adaptation(mode, self)
        except ValueError as e:
            raise RootstockError(str(e)) from e
        self._names, self._mode = list(inputs), mode
        self._by_key = isinstance(trunk.input, Mapping)
        self._adaptation.enter(self._adaptation.phases[0])

    def compile(self, optimizer: Any = "adam", **options: Any) -> None:
        """Choose the optimizer. The losses are those of the tasks.

        options: of `keras.Model.compile`, such as `jit_compile`.

        Raises:
            RootstockError: losses or metrics are given.
        """
        for name in ("loss", "metrics", "loss_weights"):
            if options.get(name) is not None:
                raise RootstockError(
                    f"compile: {name}: expected none, because each task has its own loss and"
                    " metrics. The option `weight` of a task sets its share of the sum."
                )
        self._chosen = keras.optimizers.get(optimizer)
        super().compile(self._chosen, **options)

    def fit(self, x: Any = None, *args: Any, **options: Any) -> keras.callbacks.History:
        """Train: see `keras.Model.fit`. The phases of a transfer mode begin at their epochs.

        Raises:
            RootstockError: a mode with several phases, and a dataset of unknown length.
        """
        options.setdefault("shuffle", not isinstance(x, tf.data.Dataset))
        if self._mode is not None:
            self._use_rates(self._mode, x, options)
            more = [*(options.pop("callbacks", None) or ()), _Phases(self._adaptation)]
            options["callbacks"] = more
        return super().fit(x, *args, **options)

    def call(self, features: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Raw outputs by task, such as logits; `predict` gives the answers."""
        return super().call(self._by_name(features), training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        return super().train_step(self._prepared(data))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        return super().test_step(self._prepared(data))

    def predict_step(self, data: Any) -> dict[str, tf.Tensor]:
        features = data[0] if isinstance(data, tuple) else data
        return self.answers(self._by_name(features))

    def to_keras(self) -> keras.Model:
        """A functional model from your inputs to the answers by task, without anything that only
        training needs. What a transfer mode added, such as LoRA's matrices, is merged.
        """
        self._adaptation.finish()
        self._adaptation.enter(self._adaptation.phases[-1])
        inner = functional(self)
        if self._by_key:
            return inner
        inputs = [keras.Input(f.shape, dtype=f.dtype, name=f.name) for f in self.features]
        answers = inner(dict(zip(self._names, inputs, strict=True)))
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], answers, name="multitask")

    def _prepared(self, data: Any) -> tuple[Tensors, Tensors]:
        features, labels, *weights = data
        if any(w is not None for w in weights):
            raise RootstockError(
                "sample_weight: expected none. The option `weight` of a task weighs all its rows."
            )
        given = labels if isinstance(labels, Mapping) else {}
        missing = [h.target.name for h in self.heads if h.target.name not in given]
        if missing:
            raise RootstockError(
                f"labels: expected a dict with every task. Missing: {', '.join(missing)}. Rows"
                " without a label have NaN, or -1 for classes."
            )
        return self._by_name(features), {
            h.target.name: _encoded(labels[h.target.name], h.target) for h in self.heads
        }

    def _by_name(self, features: Any) -> Tensors:
        if isinstance(features, Mapping) and set(self._names) <= set(features):
            return features
        return dict(zip(self._names, keras.tree.flatten(features), strict=True))

    def _use_rates(self, mode: Transfer, x: Any, options: Mapping[str, Any]) -> None:
        """Let each variable train at its rate, from its phase on."""
        steps = options.get("steps_per_epoch") or (
            int(x.cardinality()) if hasattr(x, "cardinality") else -1
        )
        if steps < 1 and len(self._adaptation.phases) > 1:
            raise RootstockError(
                f"transfer: {mode.name} has phases, so the length of an epoch must be known."
                " Expected a tf.data.Dataset with a cardinality, or steps_per_epoch."
            )
        if not hasattr(self, "_chosen"):
            raise RootstockError("fit: expected model.compile(optimizer) before it.")
        rates = self._adaptation.variable_rates(max(steps, 1))
        config = self._chosen.get_config() | {"rates": rates}
        kind: Any = type(self._chosen)
        optimizer = with_variable_rates(kind).from_config(config)
        optimizer.build(self._adaptation.variables)
        self.optimizer = optimizer


class _Phases(keras.callbacks.Callback):  # type: ignore[misc]
    """Begins each phase of a transfer mode at its epoch."""

    def __init__(self, adaptation: Adaptation) -> None:
        super().__init__()
        self._adaptation = adaptation
        self._running: int | None = None

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        phase = next(p for p in reversed(self._adaptation.phases) if p.start <= epoch)
        if self._running != phase.start:
            self._running = phase.start
            self._adaptation.enter(phase)
            self.model.make_train_function(force=True)


def _method(family: str, type_: Any, value: str | Mapping[str, Any] | None) -> Any:
    """A method by its name or with its parameters.

    Raises:
        RootstockError: it is unknown, or a parameter is.
    """
    if value is None:
        return None
    try:
        return TypeAdapter(type_).validate_python(value)
    except ValidationError as e:
        problems = "; ".join(
            f"{'.'.join(map(str, p['loc'][1:]))} {p['msg']}".strip() for p in e.errors()
        )
        raise RootstockError(f"{family}: {value!r}: {problems}") from e


def _target(name: str, task: int | str | Mapping[str, Any]) -> TaskTarget:
    """A task and its classes."""
    if isinstance(task, int):
        task = {"kind": "multiclass", "classes": task}
    given: dict[str, Any] = {"kind": task} if isinstance(task, str) else dict(task)
    classes = given.pop("classes", ())
    kinds = methods("models.tasks", Task, "kind")
    kind = str(given.get("kind"))
    if kind not in kinds:
        raise RootstockError(
            f"tasks.{name}: unknown kind {kind!r}.{did_you_mean(kind, kinds)} Expected a number of"
            f" classes, or one of {', '.join(kinds)}."
        )
    if isinstance(classes, int):
        classes = range(classes)
    if kind == "binary":
        classes = ("negative", "positive")
    try:
        checked: Task = TypeAdapter(kinds[kind]).validate_python(
            {**given, "name": name, "label": name}
        )
    except ValidationError as e:
        raise RootstockError(f"tasks.{name}: {e.errors()[0]['loc']}: {e.errors()[0]['msg']}") from e
    return TaskTarget(task=checked, classes=tuple(map(str, classes)))


def _encoded(labels: Any, target: TaskTarget) -> tf.Tensor:
    """Labels as heads read them: int32 classes, or float32; [batch], or [batch, classes]."""
    labels = tf.cast(tf.convert_to_tensor(labels), tf.float32)
    if labels.shape.rank == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not target.classes or labels.shape.rank != 1:
        return labels
    labels = tf.where(tf.math.is_nan(labels), -1.0, labels)
    most = len(target.classes) - 1
    message = f"tasks.{target.name}: expected labels from 0 to {most}, or -1 if missing."
    with tf.control_dependencies([tf.debugging.assert_less_equal(labels, float(most), message)]):
        labels = tf.identity(labels)
    if target.task.answer == "list":
        return tf.cast(labels, tf.int32)
    return tf.where(labels < 0, np.nan, labels)


__all__ = ["MultitaskModel", "functional", "load"]
