"""TF Serving's Classify, Regress and MultiInference, for signatures that take serialised Examples.

The checks and messages are those of its `classifier.cc`, `regressor.cc` and `multi_inference.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.server.api.example_json import example_of
from serving.server.saved_model import SavedModel
from serving.wire.errors import invalid
from serving.wire.names import CLASSIFY, DEFAULT_SIGNATURE, REGRESS

Row = list[tuple[str, float]]
"""The label and the score of each class, for one example."""


def classify(model: SavedModel, signature: str, examples: Sequence[bytes]) -> list[Row]:
    """The classes of serialised Examples. Raises ServingError."""
    outputs = _run(model, signature, examples, CLASSIFY, "classification")
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, output in (("classes", classes), ("scores", scores)):
        if output is not None and output.ndim != 2:
            raise invalid(f"Expected {name} of shape [batch, n]. Received: {list(output.shape)}")
    return rows_of(classes, scores)


def rows_of(classes: np.ndarray | None, scores: np.ndarray | None) -> list[Row]:
    """A row for each example; "" and 0 for what the model does not output.

    classes: bytes [batch, n]. scores: float [batch, n].
    """
    output = scores if classes is None else classes
    if output is None:
        raise invalid("Expected classification signature outputs to contain classes or scores")
    labels = np.full(output.shape, b"", object) if classes is None else classes
    numbers = np.zeros(output.shape) if scores is None else scores
    return [
        [(_text(label), float(score)) for label, score in zip(*row, strict=True)]
        for row in zip(labels, numbers, strict=True)
    ]


def regress(model: SavedModel, signature: str, examples: Sequence[bytes]) -> list[float]:
    """One number per serialised Example. Raises ServingError."""
    outputs = _run(model, signature, examples, REGRESS, "regression")
    if "outputs" not in outputs:
        raise invalid("Expected regression signature outputs to contain outputs")
    values = outputs["outputs"]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(f"Expected output of shape [batch] or [batch, 1]. Got {list(values.shape)}")
    return list(values.reshape(-1).tolist())


def examples_of(input_message: Any) -> list[bytes]:
    """The serialised Examples of an `Input` message; its context is merged into each of them."""
    from tensorflow.core.example import example_pb2

    kind = input_message.WhichOneof("kind")
    content = getattr(input_message, kind) if kind else None
    if content is None or not content.examples:
        raise invalid("Input is empty.")
    if kind == "example_list":
        return [example.SerializeToString() for example in content.examples]
    serialised = []
    for example in content.examples:
        merged = example_pb2.Example()
        merged.CopyFrom(content.context)
        for name, feature in example.features.feature.items():
            merged.features.feature[name].CopyFrom(feature)
        serialised.append(merged.SerializeToString())
    return serialised


def examples_of_json(document: Mapping[str, Any]) -> list[bytes]:
    """The serialised Examples of a REST request: `{"context": {…}, "examples": [{…}, …]}`."""
    context, examples = document.get("context", {}), document.get("examples")
    if not isinstance(context, dict):
        raise invalid("Expecting 'context' to be an object.")
    if not isinstance(examples, list):
        raise invalid("When method is classify, key 'examples' is expected and was not found.")
    if not examples:
        raise invalid("Empty 'examples' list.")
    serialised = []
    for position, entry in enumerate(examples):
        if not isinstance(entry, dict):
            raise invalid(f"Expecting an object at item {position} of 'examples'.")
        serialised.append(example_of({**context, **entry}).SerializeToString())
    return serialised


def fill_classification(
    model: SavedModel, signature: str, examples: Sequence[bytes], result: Any
) -> None:
    """Classify, and write the classes into a `ClassificationResult`."""
    for row in classify(model, signature, examples):
        classification = result.classifications.add()
        for label, score in row:
            classification.classes.add(label=label, score=score)


def fill_regression(
    model: SavedModel, signature: str, examples: Sequence[bytes], result: Any
) -> None:
    """Regress, and write the numbers into a `RegressionResult`."""
    for value in regress(model, signature, examples):
        result.regressions.add(value=value)


def _run(
    model: SavedModel, signature: str, examples: Sequence[bytes], method: str, what: str
) -> dict[str, np.ndarray]:
    signature = signature or DEFAULT_SIGNATURE
    definition = model.signatures.get(signature)
    if definition is None:
        raise invalid(f"No signature was found with the name: {signature}")
    if (name := definition.method_name) != method:
        raise invalid(f"Expected {what} signature method_name to be {method}. Was: {name}")
    if list(definition.inputs) != ["inputs"]:
        raise invalid(f"Expected {what} signature to have one input, named inputs.")
    serialised = np.empty(len(examples), object)
    serialised[:] = list(examples)
    return model.predict(signature, {"inputs": serialised})


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
