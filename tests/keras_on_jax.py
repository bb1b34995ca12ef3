"""What the backend-neutral parts of `models` compute, by any backend of Keras, as numbers by name.

`python -m tests.keras_on_jax` prints them as JSON, computed by the backend in `KERAS_BACKEND`;
TensorFlow cannot be imported there. tests/contract/test_jax.py compares them with TensorFlow's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.balancing.base import Balancing, GradientBalancer, HindsightBalancer, TaskGradients
from models.discovery import methods
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.lazy import keras
from models.sharing.base import Sharing
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.count import CountTask
from models.tasks.heads.head import head_for
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.layers.late_casts import cast_late
from models.trunks.scratch import Scratch

DRAWN = {"rlw", "pcgrad", "gradvac", "graddrop"}
"""Methods that draw numbers, which backends draw differently: they must be finite."""
TASKS = tuple(TaskTarget(task=BinaryTask(name=n, label=n)) for n in "abc")
COLUMNS = (
    NumericFeature(name="x", column="x", mean=0, deviation=1, knots=(-1.0, 0.0, 1.0)),
    CategoricalFeature(name="c", column="c", vocabulary=("red", "green")),
)
IMAGES = (ImageFeature(name="photo", column="p", height=9, width=9, channels=1),)
RNG = np.random.default_rng(0)
X = {
    "x": np.linspace(-1, 1, 6, dtype=np.float32),
    "c": np.arange(6, dtype=np.int32) % 3,
    "photo": RNG.integers(0, 256, (6, 9, 9, 1), dtype=np.uint8),
}
GRADIENTS = RNG.normal(size=(3, 4, 5)).astype(np.float32)
LOSSES, PRESENT = np.array([0.4, 1.2, 0.0], np.float32), np.array([1, 1, 0], np.float32)
HEADS: dict[str, tuple[Any, Any, int]] = {
    "binary": (TaskTarget(task=BinaryTask(name="t", label="l")), [0.0, 1, 1, 0], 1),
    "count": (TaskTarget(task=CountTask(name="t", label="l"), mean=2.0), [0.0, 3, 1, 2], 1),
    "multiclass": (
        TaskTarget(task=MulticlassTask(name="t", label="l"), classes=("a", "b", "c")),
        np.array([0, 2, 1, 1], np.int32),
        3,
    ),
    "multilabel": (
        TaskTarget(task=MultilabelTask(name="t", label="l"), classes=("a", "b")),
        [[0.0, 1], [1, 1], [0, 0], [1, 0]],
        2,
    ),
    "regression": (
        TaskTarget(task=RegressionTask(name="t", label="l"), mean=1.0, deviation=2.0),
        [0.5, -1, 2, 0],
        1,
    ),
}


def balancing() -> Iterator[tuple[str, Any]]:
    """The scalar of loss-based methods, the combined gradient of others, and the state, after two
    steps. Bilevel methods need TensorFlow's tapes for the look-ahead: only their scalar.
    """
    ops = keras.ops
    for name, method in methods("models.balancing", Balancing).items():
        keras.utils.set_random_seed(0)
        balancer = method().build(TASKS)
        losses, present = (ops.convert_to_tensor(a) for a in (LOSSES, PRESENT))
        found: list[Any] = []
        if isinstance(balancer, GradientBalancer):
            balancer.prepare(5)
            for factor in (1.0, -0.5):
                g = (factor * GRADIENTS + 0.3) * PRESENT[:, None, None]
                flat = g.reshape(3, -1)
                arrays = g, flat @ flat.T, np.ones((4, 5), np.float32)
                tensors = (ops.convert_to_tensor(a) for a in arrays)
                combined, weights = balancer.combine(TaskGradients(losses, present, *tensors))
                found += [combined, *([] if weights is None else [weights])]
        else:
            for _ in range(2):
                found.append(balancer(losses, present))
                if isinstance(balancer, HindsightBalancer):
                    balancer.after_update(losses, 0.9 * losses, present)
                balancer.new_epoch()
        yield f"balancing {name}", [*found, *balancer.variables]


def heads() -> Iterator[tuple[str, Any]]:
    ops = keras.ops
    for kind, (target, labels, units) in HEADS.items():
        head, outputs = head_for(target), np.linspace(-1, 1, 4 * units).reshape(4, units)
        y = np.asarray(labels, np.int32 if kind == "multiclass" else np.float32)
        y, raw = ops.convert_to_tensor(y), ops.convert_to_tensor(outputs.astype(np.float32))
        totals = head.totals(y, raw, ops.ones(4))
        yield f"head {kind}", [head.row_losses(y, raw), head.answer(raw), totals]


def layers() -> Iterator[tuple[str, Any]]:
    """Outputs of trunks and sharing schemes, with weights that do not depend on the backend."""
    trunk = Scratch(width=8, dropout=0, image=ResidualConvnet(widths=(4, 6)))
    for what, features in (("columns", COLUMNS), ("images", IMAGES)):
        inputs = {f.name: keras.ops.convert_to_tensor(X[f.name]) for f in features}
        yield f"trunk {what}", [_filled(trunk.build(features))(inputs)]
        for name, scheme in methods("models.sharing", Sharing).items():
            shared = scheme().build(lambda f=features: trunk.build(f), tuple("abc"))  # type: ignore[misc]
            output = _filled(shared.trunk)(inputs)
            if shared.common is not None:
                output = _filled(shared.common)(output)
            ends = _filled(shared.branches)(output)
            yield f"sharing {name} {what}", [ends[task] for task in "abc"]
    half = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_bfloat16")])
    cast_late(half)
    yield "late casts", [_filled(half)(keras.ops.ones((1, 3)))]


def _filled(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(1)
    for v in model.weights:
        v.assign(rng.uniform(0.1, 0.5, v.shape).astype(np.float32))
    return model


def numbers() -> dict[str, list[float]]:
    """All values by name, flattened."""
    found: dict[str, list[float]] = {}
    for part in (balancing, heads, layers):
        for name, tensors in part():
            arrays = [np.asarray(keras.ops.convert_to_numpy(t), np.float64) for t in tensors]
            found[name] = [float(x) for a in arrays for x in a.reshape(-1)]
    return found


if __name__ == "__main__":
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # importing it is an error
    json.dump(numbers(), sys.stdout)
