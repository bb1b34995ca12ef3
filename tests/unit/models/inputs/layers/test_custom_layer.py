from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from models.inputs.base import Feature
from models.inputs.layer import LayerFeature, LayerInput
from models.inputs.layers.custom_layer import LayerError, layer_feature
from models.inputs.layers.preprocessing import Preprocessing
from models.lazy import tf
from tests.own_layers import LAYERS

pytestmark = pytest.mark.slow

Make = Callable[[str], LayerInput]
Values = list[np.ndarray]

NUMBERS = [np.array([1.0, 3.0], np.float32), np.array([8.0], np.float32)]
WORDS = [np.array(["apple", "avocado"], object), np.array(["pear"], object)]


@pytest.fixture
def module(tmp_path: Path) -> str:
    file = tmp_path / "layers.py"
    file.write_text(LAYERS)
    return str(file)


def bands(module: str) -> LayerInput:
    options = {"edges": [2.0, 4.0]}
    return LayerInput(name="x", column="x", module=module, layer="Bands", options=options)


def share(module: str) -> LayerInput:
    return LayerInput(name="x", column="x", module=module, layer="Share")


def initial(module: str) -> LayerInput:
    return LayerInput(name="x", column="x", module=module, layer="Initial", reads="text")


def rebuilt(feature: LayerFeature) -> Preprocessing:
    """Loaded from the files only."""
    adapter: TypeAdapter[Feature] = TypeAdapter(Feature)
    return Preprocessing([adapter.validate_json(adapter.dump_json(feature))])


def test_numbers_of_a_layer_without_state(module: str) -> None:
    feature = layer_feature(bands(module), lambda: iter(NUMBERS))
    assert feature.width == 3
    answers = rebuilt(feature)({"x": tf.constant([1.0, 2.0, 9.0, np.nan])})["x"]
    np.testing.assert_array_equal(answers, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_state_is_that_of_the_training_split(module: str) -> None:
    feature = layer_feature(share(module), lambda: iter(NUMBERS))
    assert feature.width == 1
    answers = rebuilt(feature)({"x": tf.constant([2.0, 16.0])})["x"]
    np.testing.assert_array_equal(answers, [[0.25], [2.0]])


@pytest.mark.parametrize(
    ("make", "values", "given", "largest"),
    [
        (initial, WORDS, [b"apricot", b"zebra", b""], [1, 0, 0]),
        (share, NUMBERS, [2.0, 4.0], [0, 0]),
    ],
    ids=["tables", "weights"],
)
def test_state_is_in_what_is_served(
    module: str, tmp_path: Path, make: Make, values: Values, given: list[object], largest: list[int]
) -> None:
    feature = layer_feature(make(module), lambda: iter(values))
    Path(module).unlink()
    preprocessing = rebuilt(feature)
    raw = tf.constant(given)
    specs = {"x": tf.TensorSpec([None], raw.dtype, "raw")}
    call = tf.function(preprocessing.__call__, input_signature=[specs])
    tf.saved_model.save(preprocessing, str(tmp_path / "saved"), signatures={"serve": call})
    expected = preprocessing({"x": raw})["x"].numpy()
    del preprocessing, call
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serve"]
    answers = served(raw=raw)["x"].numpy()
    np.testing.assert_array_equal(answers, expected)
    assert answers.argmax(axis=1).tolist()[: len(largest)] == largest


@pytest.mark.parametrize("layer", ["Share", "Projected", "Initial", "Scaled"])
def test_the_same_layer_is_the_same_feature(module: str, layer: str) -> None:
    given = LayerInput(name="x", column="x", module=module, layer=layer)
    values = NUMBERS
    if layer == "Initial":
        given, values = initial(module), WORDS
    one, other = (layer_feature(given, lambda: iter(values)) for _ in range(2))
    assert one == other
    changed = layer_feature(given, lambda: iter(values[:1]))
    assert (one == changed) == (layer == "Projected")


def test_keras_own_layers_adapt_to_batches_of_any_size(module: str) -> None:
    given = LayerInput(name="x", column="x", module=module, layer="Scaled")
    feature = layer_feature(given, lambda: iter(NUMBERS))
    answers = rebuilt(feature)({"x": tf.constant([4.0, 8.0])})["x"]
    deviation = np.std([1.0, 3.0, 8.0])
    np.testing.assert_allclose(answers, [[0.0], [4.0 / deviation]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("Sequence", r"Sequence gives \(None, 2, 3\). Expected \[batch, width\] numbers"),
        ("Broken", r"Broken: KeyError: [^\x1b]*no such thing(?!.*x1b)"),
        ("NotALayer", r"NotALayer is not a subclass of `keras.layers.Layer`"),
        ("Forgetful", r"Forgetful: It is not the same when .*Expected a `get_config`"),
        ("Bands", r"Bands: TypeError: .*edges"),
    ],
)
def test_unusable_layers_are_explained(module: str, layer: str, message: str) -> None:
    options = {"factor": 2.0} if layer == "Forgetful" else {}
    given = LayerInput(name="x", column="x", module=module, layer=layer, options=options)
    with pytest.raises(LayerError, match=message):
        layer_feature(given, lambda: iter(NUMBERS))


def test_a_module_that_cannot_run(tmp_path: Path) -> None:
    file = tmp_path / "layers.py"
    file.write_text("import keras\nx = undefined\nclass A(keras.layers.Layer):\n    pass\n")
    given = LayerInput(name="x", column="x", module=str(file), layer="A")
    assert given.check() == []
    with pytest.raises(LayerError, match=r"layers.py: NameError: name 'undefined'"):
        layer_feature(given, lambda: iter(NUMBERS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory. Expected a Python file"),
        ("class A(:\n", "invalid syntax .*line 1"),
        ("class B:\n    pass\n", "has no class 'A'. Classes there: B"),
        ("x = 1\n", "has no class 'A'. It defines none"),
    ],
)
def test_a_module_is_checked_without_running_it(
    tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "layers.py"
    if content is not None:
        file.write_text(content)
    given = LayerInput(name="x", column="x", module=str(file), layer="A")
    (problem,) = given.check()
    assert str(file) in problem
    assert re.search(message, problem)
