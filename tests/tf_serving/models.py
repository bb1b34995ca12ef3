"""Small SavedModels like those that TF Serving's own tests use, and a few that break its rules.

`half_plus_two` and its kin compute y = x / 2 + 2, as in TF Serving's quickstart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.wire.names import CLASSIFY, DEFAULT_SIGNATURE, REGRESS

v1 = tf.compat.v1
_PREDICT = "tensorflow/serving/predict"
VERSION = "00000123"
"""The name of the version directories: TF Serving's test models are padded like this."""


def write_all(directory: Path) -> dict[str, Path]:
    """Write each model to `<directory>/<name>/00000123`; the directories by model name."""
    models: dict[str, Callable[[Path], None]] = {
        "half_plus_two": write_half_plus_two,
        "half_plus_three": lambda path: _half_plus(path, 3.0),
        "half_plus_two_tf2": _half_plus_two_tf2,
        "matrix_half_plus_two": _matrix_half_plus_two,
        "counter": _counter,
        "types": _types,
        "images": _images,
        "classes": _classes,
        "odd_outputs": _odd_outputs,
    }
    for name, write in models.items():
        write(directory / name / VERSION)
    return {name: directory / name for name in models}


def write_half_plus_two(path: Path) -> None:
    """Write `half_plus_two` to one version directory."""
    _half_plus(path, 2.0)


def _half_plus(path: Path, b: float) -> None:
    """A model of TensorFlow 1 with signatures for Predict, Classify and Regress."""
    with v1.Graph().as_default(), v1.Session() as session:
        serialised = v1.placeholder(tf.string, name="tf_example")
        features = {
            "x": v1.FixedLenFeature([1], tf.float32),
            "x2": v1.FixedLenFeature([1], tf.float32, [0.0]),
        }
        parsed = v1.parse_example(serialised, features)
        x, x2 = (tf.identity(parsed[name], name) for name in ("x", "x2"))
        a = v1.get_variable("a", initializer=0.5)
        y = tf.add(a * x, b, "y")
        y2, y3 = tf.add(a * x, 3.0, "y2"), tf.add(a * x2, 3.0, "y3")
        signatures = {
            DEFAULT_SIGNATURE: _signature({"x": x}, {"y": y}, _PREDICT),
            "regress_x_to_y": _signature({"inputs": serialised}, {"outputs": y}, REGRESS),
            "regress_x_to_y2": _signature({"inputs": serialised}, {"outputs": y2}, REGRESS),
            "regress_x2_to_y3": _signature({"inputs": x2}, {"outputs": y3}, REGRESS),
            "classify_x_to_y": _signature({"inputs": serialised}, {"scores": y}, CLASSIFY),
            "classify_x2_to_y3": _signature({"inputs": x2}, {"scores": y3}, CLASSIFY),
        }
        session.run(v1.global_variables_initializer())
        _save(session, path, signatures)


def _half_plus_two_tf2(path: Path) -> None:
    """A model of TensorFlow 2: the method of all its signatures is predict."""
    module = tf.Module()
    module.a, module.b = tf.Variable(0.5), tf.Variable(2.0)

    def parse(serialised: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(serialised, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def predict(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": module.a * x + module.b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": module.a * parse(inputs) + module.b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": module.a * parse(inputs) + module.b}

    tf.saved_model.save(
        module,
        str(path),
        {DEFAULT_SIGNATURE: predict, "regress_x_to_y": regress, "classify_x_to_y": classify},
    )


def _matrix_half_plus_two(path: Path) -> None:
    """Takes x and gives y, both [batch, 2, 2]."""
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2, 2], "x")
        y = tf.add(0.5 * x, 2.0, "y")
        _save(session, path, {DEFAULT_SIGNATURE: _signature({"x": x}, {"y": y}, _PREDICT)})


def _counter(path: Path) -> None:
    """Signatures without inputs, and outputs without a batch axis."""
    with v1.Graph().as_default(), v1.Session() as session:
        counter = v1.get_variable("counter", initializer=0.0, use_resource=True)
        delta = v1.placeholder_with_default(1.0, [], "delta")
        read = tf.identity(counter, "read")
        incremented = tf.identity(v1.assign_add(counter, 1.0), "incremented")
        increased = tf.identity(v1.assign_add(counter, delta), "increased")
        reset = tf.identity(v1.assign(counter, 0.0), "reset")
        signatures = {
            "get_counter": _signature({}, {"output": read}, _PREDICT),
            "incr_counter": _signature({}, {"output": incremented}, _PREDICT),
            "incr_counter_by": _signature({"delta": delta}, {"output": increased}, _PREDICT),
            "reset_counter": _signature({}, {"output": reset}, _PREDICT),
        }
        session.run(v1.global_variables_initializer())
        _save(session, path, signatures)


DTYPES = {
    name: tf.as_dtype(name)
    for name in (
        *("float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "bool", "string", "complex64", "complex128"),
    )
}


def _types(path: Path) -> None:
    """Gives its input back, by a signature for each type; `make_<type>` makes two from a float."""
    with v1.Graph().as_default(), v1.Session() as session:
        signatures = {}
        for name, dtype in DTYPES.items():
            x = v1.placeholder(dtype, None, f"{name}_in")
            y = tf.identity(x, f"{name}_out")
            signatures[name] = _signature({"x": x}, {"y": y}, _PREDICT)
            trigger = v1.placeholder(tf.float32, None, f"{name}_trigger")
            values = [b"a", b"\xff"] if name == "string" else np.array([1, 0], dtype.as_numpy_dtype)
            with v1.control_dependencies([trigger]):
                made = tf.identity(tf.constant(values, dtype), f"{name}_made")
            signatures[f"make_{name}"] = _signature({"x": trigger}, {"y": made}, _PREDICT)
        text = v1.placeholder(tf.string, None, "text")
        as_bytes = tf.identity(text, "as_bytes")
        signatures[DEFAULT_SIGNATURE] = _signature({"x": text}, {"y_bytes": as_bytes}, _PREDICT)
        _save(session, path, signatures)


def _images(path: Path) -> None:
    """Several inputs and outputs of several types."""
    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.string, None, "image")
        size = v1.placeholder(tf.float32, None, "size")
        inputs = {"image_bytes": image, "size": size}
        outputs = {
            "length": tf.identity(v1.strings.length(image), "length"),
            "half": tf.identity(size / 2, "half"),
            "image_bytes": tf.identity(image, "image_out"),
        }
        total = tf.reduce_sum(size, name="total")
        signatures = {
            DEFAULT_SIGNATURE: _signature(inputs, outputs, _PREDICT),
            "total": _signature(inputs, {"half": outputs["half"], "total": total}, _PREDICT),
            "tail": _signature(
                inputs, {"half": outputs["half"], "tail": tf.identity(size[1:], "tail")}, _PREDICT
            ),
        }
        _save(session, path, signatures)


def _classes(path: Path) -> None:
    """Classes and scores that are the features `class` and `score` of the examples."""

    def outputs(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = {
            "class": v1.FixedLenFeature([2], tf.string),
            "score": v1.FixedLenFeature([2], tf.float32),
        }
        parsed = v1.parse_example(serialised, features)
        return tf.identity(parsed["class"], "class"), tf.identity(parsed["score"], "score")

    with v1.Graph().as_default(), v1.Session() as session:
        serialised = v1.placeholder(tf.string, [None], "examples")
        classes, scores = outputs(serialised)
        inputs = {"inputs": serialised}
        both = {"classes": classes, "scores": scores}
        ages = v1.parse_example(serialised, {"age": v1.FixedLenFeature([2], tf.int64, [0, 0])})
        total = tf.reduce_sum(tf.cast(ages["age"], tf.float32), 1, name="age_total")
        signatures = {
            DEFAULT_SIGNATURE: _signature(inputs, both, CLASSIFY),
            "no_method": _signature(inputs, both, ""),
            "classes_only": _signature(inputs, {"classes": classes}, CLASSIFY),
            "scores_only": _signature(inputs, {"scores": scores}, CLASSIFY),
            "ages": _signature(inputs, {"outputs": total}, REGRESS),
        }
        _save(session, path, signatures)


def _odd_outputs(path: Path) -> None:
    """Signatures whose inputs or outputs Classify and Regress do not accept."""
    with v1.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], "examples")
        other = v1.placeholder(tf.float32, None, "other")
        batch = tf.shape(examples)[:1]

        def scores(shape: tuple[int, ...], dtype: tf.DType = tf.float32) -> tf.Tensor:
            return tf.ones(tf.concat([batch, tf.constant(shape, tf.int32)], 0), dtype)

        def texts(shape: tuple[int, ...]) -> tf.Tensor:
            return tf.fill(tf.concat([batch, tf.constant(shape, tf.int32)], 0), "a")

        good = {"scores": scores((2,))}
        outputs: dict[str, dict[str, tf.Tensor]] = {
            "scores_rank_1": {"scores": scores(())},
            "scores_rank_3": {"scores": scores((1, 10))},
            "scores_double": {"scores": scores((2,), tf.float64)},
            "scores_text": {"scores": texts((2,))},
            "scores_batch": {"scores": tf.ones([7, 2])},
            "scores_scalar": {"scores": tf.constant(1.0)},
            "classes_rank_1": {"classes": texts(())},
            "classes_numbers": {"classes": scores((2,))},
            "classes_batch": {"classes": tf.fill([7, 2], "a")},
            "unequal": {"classes": texts((3,)), **good},
            "three_outputs": {"classes": texts((2,)), **good, "more": scores(())},
            "other_names": {"probabilities": scores((2,))},
            "outputs_rank_3": {"outputs": scores((1, 10))},
            "outputs_two": {"outputs": scores((2,))},
            "outputs_double": {"outputs": scores((), tf.float64)},
            "outputs_text": {"outputs": texts(())},
            "outputs_batch": {"outputs": tf.ones([7])},
            "outputs_scalar": {"outputs": tf.constant(1.0)},
            "outputs_and_more": {"outputs": scores(()), "more": scores(())},
        }
        signatures = {
            name: _signature({"inputs": examples}, tensors, "") for name, tensors in outputs.items()
        }
        signatures["two_inputs"] = _signature({"inputs": examples, "other": other}, good, CLASSIFY)
        signatures["other_input"] = _signature({"examples": examples}, good, CLASSIFY)
        signatures["other_input_regress"] = _signature(
            {"examples": examples}, {"outputs": scores(())}, REGRESS
        )
        _save(session, path, signatures)


def _signature(inputs: dict[str, Any], outputs: dict[str, Any], method: str) -> Any:
    info = v1.saved_model.build_tensor_info
    return v1.saved_model.build_signature_def(
        {name: info(tensor) for name, tensor in inputs.items()},
        {name: info(tensor) for name, tensor in outputs.items()},
        method,
    )


def _save(session: Any, path: Path, signatures: dict[str, Any]) -> None:
    builder = v1.saved_model.Builder(str(path))
    builder.add_meta_graph_and_variables(session, ["serve"], signatures)
    builder.save()
