"""TF Serving's Classify, Regress and MultiInference, for signatures that take serialised Examples.

The checks and messages are those of its `classifier.cc`, `regressor.cc` and `multi_inference.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.server.api.example_json import example_of
from serving.server.saved_model import SavedModel
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import CLASSIFY, DEFAULT_SIGNATURE, REGRESS


@dataclass(frozen=True)
class Classes:
    """classes: bytes [rows, n], or None. scores: float [rows, n], or None. Not both are None."""

    classes: np.ndarray | None
    scores: np.ndarray | None

    def rows(self) -> list[list[tuple[str, float]]]:
        """The (label, score) pairs of each example; "" and 0 for what the model does not output."""
        output = self.classes if self.classes is not None else self.scores
        assert output is not None
        labels = np.full(output.shape, b"", object) if self.classes is None else self.classes
        scores = np.zeros(output.shape) if self.scores is None else self.scores
        return [
            [(_text(label), float(score)) for label, score in zip(*row, strict=True)]
            for row in zip(labels, scores, strict=True)
        ]


def classify(model: SavedModel, signature: str, examples: Sequence[bytes]) -> Classes:
    """The classes of serialised Examples. Raises ServingError."""
    outputs = _run(model, signature, examples, CLASSIFY, "classification")
    classes, scores = outputs.get("classes"), outputs.get("scores")
    if classes is None and scores is None:
        raise invalid("Expected classification signature outputs to contain classes or scores")
    for name, output in (("classes", classes), ("scores", scores)):
        if output is not None and output.ndim != 2:
            raise invalid(f"Expected {name} of shape [batch, n]. Received: {list(output.shape)}")
    return Classes(classes, scores)


def regress(model: SavedModel, signature: str, examples: Sequence[bytes]) -> np.ndarray:
    """One number per serialised Example, float [rows]. Raises ServingError."""
    outputs = _run(model, signature, examples, REGRESS, "regression")
    if "outputs" not in outputs:
        raise invalid("Expected regression signature outputs to contain outputs")
    values = outputs["outputs"]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(f"Expected output of shape [batch] or [batch, 1]. Got {list(values.shape)}")
    return values.reshape(-1)


def examples_of(input_message: Any) -> list[bytes]:
    """The serialised Examples of an `Input` message; its context is merged into each of them."""
    from tensorflow.core.example import example_pb2

    kind = input_message.WhichOneof("kind")
    if kind is None:
        raise invalid("Input is empty.")
    content = getattr(input_message, kind)
    if not content.examples:
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
    for row in classify(model, signature, examples).rows():
        classification = result.classifications.add()
        for label, score in row:
            classification.classes.add(label=label, score=score)


def fill_regression(
    model: SavedModel, signature: str, examples: Sequence[bytes], result: Any
) -> None:
    """Regress, and write the numbers into a `RegressionResult`."""
    for value in regress(model, signature, examples).tolist():
        result.regressions.add(value=value)


def _run(
    model: SavedModel, signature: str, examples: Sequence[bytes], method: str, what: str
) -> dict[str, np.ndarray]:
    signature = signature or DEFAULT_SIGNATURE
    definition = model.signatures.get(signature)
    if definition is None:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"No signature was found with the name: {signature}"
        )
    if definition.method_name != method:
        raise invalid(
            f"Expected {what} signature method_name to be {method}. Was: {definition.method_name}"
        )
    if list(definition.inputs) != ["inputs"]:
        raise invalid(f"Expected {what} signature to have one input, named inputs.")
    serialised = np.empty(len(examples), object)
    serialised[:] = list(examples)
    return model.predict(signature, {"inputs": serialised})


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
