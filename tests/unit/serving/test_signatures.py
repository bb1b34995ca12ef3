"""Export: the content of the SavedModel, and what TensorFlow computes from it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.server.saved_model import SavedModel
from serving.signatures import Prepared, SignatureInput, export

INPUTS = [
    SignatureInput("Age", "float32"),
    SignatureInput("a_a", "float32"),
    SignatureInput("a-b", "float32"),  # TensorFlow would rename it to a_b and swap it with a_a
    SignatureInput("hours per week", "float32"),
    SignatureInput("größe", "string"),
]
TASKS = ["over 50K", "married"]


def predict(raw: dict[str, Any]) -> dict[str, Any]:
    """Each input has its own effect on the outputs."""
    import tensorflow as tf

    size = tf.strings.to_number(raw["größe"])
    parts = [raw["Age"], 10 * raw["a_a"], 100 * raw["a-b"], 1000 * raw["hours per week"], size]
    return {"over 50K": tf.stack(parts, axis=1), "married": tf.add_n(parts), "size": size}


def outputs_of(signature: str) -> set[str]:
    return {"serving_default": set(TASKS), "detailed": {*TASKS, "size"}}.get(signature, {signature})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf

    path = tmp_path_factory.mktemp("export") / "saved_model"
    export(predict, tf.Module(), INPUTS, TASKS, path)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> SavedModel:
    return SavedModel(path)


def test_signatures_inputs_and_outputs_keep_their_names(model: SavedModel) -> None:
    assert set(model.signatures) == {"serving_default", "detailed", *TASKS}
    for name, signature in model.signatures.items():
        assert set(signature.inputs) == {i.name for i in INPUTS}
        assert set(signature.outputs) == outputs_of(name)
        assert signature.method_name == "tensorflow/serving/predict"


def test_the_batch_size_is_unknown_everywhere(model: SavedModel) -> None:
    for signature in model.signatures.values():
        for info in [*signature.inputs.values(), *signature.outputs.values()]:
            assert info.tensor_shape.dim[0].size == -1
        assert len(signature.inputs["Age"].tensor_shape.dim) == 1


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["serving_default", "detailed", *TASKS])
def test_every_input_reaches_its_output(model: SavedModel, name: str, batch: int) -> None:
    raw = {i.name: np.arange(batch, dtype=np.float32) + k for k, i in enumerate(INPUTS)}
    numbers = raw["größe"]
    raw["größe"] = np.array([f"{n}".encode() for n in numbers], object)
    parts = [raw["Age"], 10 * raw["a_a"], 100 * raw["a-b"], 1000 * raw["hours per week"], numbers]
    expected = {"over 50K": np.stack(parts, 1), "married": np.sum(parts, 0), "size": numbers}
    outputs = model.predict(name, raw)
    assert outputs.keys() == outputs_of(name)
    for task, values in outputs.items():
        np.testing.assert_allclose(values, expected[task], rtol=1e-6)


def test_no_device_is_pinned(path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    computing = [n for n in nodes if "/" not in n.name]
    assert computing
    assert not [n.name for n in computing if "GPU" in n.device]


def test_variables_and_tables_are_saved_with_the_model(tmp_path: Path) -> None:
    import tensorflow as tf

    owner = tf.Module()
    owner.scale = tf.Variable(3.0)
    keys = tf.lookup.KeyValueTensorInitializer(["cat", "dog"], [1.0, 2.0])
    owner.table = tf.lookup.StaticHashTable(keys, 0.0)
    export(
        lambda raw: {"y": owner.scale * owner.table.lookup(raw["word"])},
        owner,
        [SignatureInput("word", "string")],
        ["y"],
        tmp_path / "model",
    )
    loaded = SavedModel(tmp_path / "model")
    y = loaded.predict("y", {"word": np.array([b"dog", b"cat", b"cow"], object)})["y"]
    assert y.tolist() == [6.0, 3.0, 0.0]
    loaded.close()


def test_what_comes_between_has_signatures_of_its_own(tmp_path: Path) -> None:
    import tensorflow as tf

    prepared = Prepared(
        lambda raw: {"größe": tf.strings.to_number(raw["größe"])[:, None], "x": raw["x"]},
        {"größe": (1,), "x": ()},
        {"größe": "float32", "x": "float32"},
    )

    def predict(given: dict[str, Any]) -> dict[str, Any]:
        return {"sum": given["größe"] + given["x"][:, None], "more": given["x"]}

    inputs = [SignatureInput("größe", "string"), SignatureInput("x", "float32")]
    export(predict, tf.Module(), inputs, ["sum"], tmp_path / "model", prepared=prepared)
    served = SavedModel(tmp_path / "model")
    raw = {"größe": np.array([b"3", b"4"], object), "x": np.array([10, 20], np.float32)}
    features = served.predict("to_features", raw)
    assert features["größe"].tolist() == [[3], [4]] and features["x"].tolist() == [10, 20]
    answers = served.predict("from_features", features)
    assert answers["sum"].tolist() == [[13], [24]] == served.predict("sum", raw)["sum"].tolist()
    assert answers.keys() == served.predict("detailed", raw).keys() == {"sum", "more"}
    served.close()
    with pytest.raises(ValueError, match="'to_features': another signature"):
        export(predict, tf.Module(), inputs, ["to_features"], tmp_path / "m", prepared=prepared)


@pytest.mark.parametrize(
    ("inputs", "tasks", "message"),
    [
        ([], ["y"], "at least one input"),
        ([SignatureInput("x", "float32")], [], "one task"),
        ([SignatureInput("x", "float32")], ["serving_default"], "cannot be named"),
        ([SignatureInput("x", "float32")], ["sum"], "unknown batch size .* shape \\(\\)"),
        ([SignatureInput("x", "float32")], ["fixed"], "unknown batch size .* shape \\(4,\\)"),
        ([SignatureInput("x", "float32")], ["absent"], "no output for task 'absent'"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tmp_path: Path, inputs: list[SignatureInput], tasks: list[str], message: str
) -> None:
    import tensorflow as tf

    def predict(raw: dict[str, Any]) -> dict[str, Any]:
        x = raw["x"]
        every = {"y": x, "sum": tf.reduce_sum(x), "fixed": tf.ensure_shape(x, [4])}
        return {name: every[name] for name in {*tasks} & {*every}}

    with pytest.raises(ValueError, match=message):
        export(predict, tf.Module(), inputs, tasks, tmp_path / "model")


@pytest.mark.slow
def test_text_operations_are_loaded_if_a_model_needs_them(tmp_path: Path) -> None:
    make = (
        "import sys, tensorflow as tf, tensorflow_text as text; from pathlib import Path\n"
        "from serving.signatures import SignatureInput, export\n"
        "def predict(raw):\n"
        "    words = text.WhitespaceTokenizer().tokenize(raw['text'])\n"
        "    return {'words': words.row_lengths()}\n"
        "inputs = [SignatureInput('text', 'string')]\n"
        "export(predict, tf.Module(), inputs, ['words'], Path(sys.argv[1]))\n"
    )
    use = (
        "import sys, numpy; from pathlib import Path\n"
        "from serving.server import tensorflow_core; tensorflow_core.prepare()\n"
        "from serving.server.saved_model import SavedModel\n"
        "text = numpy.array([b'one two', b''], object)\n"
        "print(SavedModel(Path(sys.argv[1])).predict('words', {'text': text})['words'].tolist())\n"
        "sys.exit('keras' in sys.modules)\n"
    )
    for code in (make, use):
        command = [sys.executable, "-c", code, str(tmp_path / "model")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[2, 0]\n"
