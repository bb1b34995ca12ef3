"""TF Serving's Classify, Regress and MultiInference, for signatures that take serialised Examples.

The checks and messages are those of its `classifier.cc`, `regressor.cc` and `multi_inference.cc`.
As there, the method name of a signature does not matter: TensorFlow 2 writes none but predict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from serving.server.api.codec import shortest
from serving.server.api.example_json import example_of
from serving.server.api.json_text import format_error
from serving.server.saved_model import SavedModel
from serving.wire.errors import invalid
from serving.wire.names import DEFAULT_SIGNATURE
from serving.wire.tensors import STRING, data_type, type_name

Row = list[tuple[str, float]]
"""The label and the score of each class, for one example."""
Examples = Callable[[], Sequence[bytes]]
"""Returns the serialised Examples of a request. It is called after the signature is checked."""
_FLOAT = 1
_INPUT, _OUTPUT = "inputs", "outputs"


def check_classification(definition: Any) -> None:
    """Whether a `SignatureDef` can classify. Raises ServingError."""
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) not in (1, 2):
        found = len(definition.outputs)
        raise invalid(f"Expected one or two output Tensors, found {found}")
    if _INPUT not in definition.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {definition}")
    if not {"classes", "scores"} & set(definition.outputs):
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or '
            f'"scores". Signature was: {definition}'
        )


def check_regression(definition: Any) -> None:
    """Whether a `SignatureDef` can regress. Raises ServingError."""
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if _INPUT not in definition.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {definition}")
    if _OUTPUT not in definition.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {definition}")


def classify(model: SavedModel, signature: str, examples: Examples) -> list[Row]:
    """The classes of serialised Examples. Raises ServingError."""
    check_classification(_definition(model, signature))
    serialised = examples()
    outputs = _run(model, signature, serialised)
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, output, expected in (("classes", classes, STRING), ("scores", scores, _FLOAT)):
        if output is not None:
            _check_matrix(name, output, expected, len(serialised))
    return rows_of(classes, scores)


def rows_of(classes: np.ndarray | None, scores: np.ndarray | None) -> list[Row]:
    """A row for each example; "" and 0 for what the model does not output.

    classes: bytes [batch, n]. scores: float [batch, n].
    """
    output = scores if classes is None else classes
    assert output is not None
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    labels = np.full(output.shape, b"", object) if classes is None else classes
    numbers = np.zeros(output.shape, np.float32) if scores is None else scores
    return [
        [(_text(label), score) for label, score in zip(*row, strict=True)]
        for row in zip(labels, shortest(numbers), strict=True)
    ]


def regress(model: SavedModel, signature: str, examples: Examples) -> list[float]:
    """One number per serialised Example. Raises ServingError."""
    check_regression(_definition(model, signature))
    serialised = examples()
    values = _run(model, signature, serialised)[_OUTPUT]
    if values.ndim != 1 and values.shape[1:] != (1,):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{_shape(values)}"
        )
    if len(values) != len(serialised):
        raise invalid(
            f"Input batch size did not match output batch size: {len(serialised)} vs. {len(values)}"
        )
    if (number := data_type(values)) != _FLOAT:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {type_name(number)}")
    return shortest(values.reshape(-1))


def examples_of(input_message: Any) -> list[bytes]:
    """The serialised Examples of an `Input` message; its context is merged into each of them."""
    kind = input_message.WhichOneof("kind")
    content = getattr(input_message, kind) if kind else None
    if content is None or not content.examples:
        raise invalid("Input is empty.")
    context = b"" if kind == "example_list" else content.context.SerializeToString()
    return [context + example.SerializeToString() for example in content.examples]


def examples_of_json(document: Mapping[str, Any]) -> list[bytes]:
    """The serialised Examples of a REST request: `{"context": {…}, "examples": [{…}, …]}`."""
    # two messages one after the other are read as one; the second has the last word
    context = b""
    if "context" in document:
        context = example_of(document["context"]).SerializeToString()
    if "examples" not in document:
        raise format_error(
            document, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise format_error(document, "'examples' value is an empty array")
    return [context + example_of(entry).SerializeToString() for entry in examples]


def fill_classification(model: SavedModel, signature: str, examples: Examples, result: Any) -> None:
    """Classify, and write the classes into a `ClassificationResult`."""
    for row in classify(model, signature, examples):
        classification = result.classifications.add()
        for label, score in row:
            classification.classes.add(label=label, score=score)


def fill_regression(model: SavedModel, signature: str, examples: Examples, result: Any) -> None:
    """Regress, and write the numbers into a `RegressionResult`."""
    for value in regress(model, signature, examples):
        result.regressions.add(value=value)


def _definition(model: SavedModel, signature: str) -> Any:
    name = signature or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return model.signatures[name]


def _run(model: SavedModel, signature: str, examples: Sequence[bytes]) -> dict[str, np.ndarray]:
    serialised = np.empty(len(examples), object)
    serialised[:] = list(examples)
    return model.predict(signature or DEFAULT_SIGNATURE, {_INPUT: serialised})


def _check_matrix(name: str, output: np.ndarray, expected: int, rows: int) -> None:
    """Whether an output is [rows, n] and of the expected DataType."""
    if output.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(output)}")
    if (number := data_type(output)) != expected:
        raise invalid(f"Expected {name} Tensor of {type_name(expected)}. Got: {type_name(number)}")
    if len(output) != rows:
        raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(output)}")


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _text(label: bytes) -> str:
    return label.decode("utf-8", "replace")
