"""TF Serving's Classify, Regress and MultiInference: signatures that take serialised Examples.

Checks and messages are those of its `classifier.cc`, `regressor.cc` and `multi_inference.cc`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.server.saved_model import DEFAULT_SIGNATURE, SavedModel
from serving.wire.errors import Code, ServingError, invalid

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


@dataclass(frozen=True)
class Classes:
    """classes: [rows, n] labels as bytes, or None. scores: float [rows, n], or None."""

    classes: np.ndarray | None
    scores: np.ndarray | None

    def rows(self) -> list[list[tuple[str, float]]]:
        """(label, score) pairs of each example; "" and 0 where the model gives none."""
        known = self.classes if self.classes is not None else self.scores
        assert known is not None
        labels = np.full(known.shape, b"", object) if self.classes is None else self.classes
        scores = np.zeros(known.shape) if self.scores is None else self.scores
        return [
            [(_text(label), float(score)) for label, score in zip(own, scored, strict=True)]
            for own, scored in zip(list(labels), list(scores), strict=True)
        ]


def classify(model: SavedModel, signature: str, examples: Sequence[bytes]) -> Classes:
    """Labels and scores. Raises ServingError."""
    answers = _asked(model, signature, examples, CLASSIFY, "classification")
    classes, scores = answers.get("classes"), answers.get("scores")
    if classes is None and scores is None:
        raise invalid("Expected classification signature outputs to contain classes or scores")
    for name, found in (("classes", classes), ("scores", scores)):
        if found is not None and found.ndim != 2:
            raise invalid(f"Expected {name} of shape [batch, n]. Received: {list(found.shape)}")
    return Classes(classes, scores)


def regress(model: SavedModel, signature: str, examples: Sequence[bytes]) -> np.ndarray:
    """Float [rows]. Raises ServingError."""
    answers = _asked(model, signature, examples, REGRESS, "regression")
    if "outputs" not in answers:
        raise invalid("Expected regression signature outputs to contain outputs")
    values = answers["outputs"]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(f"Expected output of shape [batch] or [batch, 1]. Got {list(values.shape)}")
    return values.reshape(-1)


def examples_of(given: Any) -> list[bytes]:
    """The serialised examples of an `Input` message, with its context in each of them."""
    from tensorflow.core.example import example_pb2

    kind = given.WhichOneof("kind")
    if kind is None:
        raise invalid("Input is empty.")
    listed = getattr(given, kind)
    if not listed.examples:
        raise invalid("Input is empty.")
    if kind == "example_list":
        return [example.SerializeToString() for example in listed.examples]
    context = listed.context.features.feature
    merged = []
    for example in listed.examples:
        whole = example_pb2.Example()
        whole.CopyFrom(listed.context)
        for name, feature in example.features.feature.items():
            if name in context:
                whole.features.feature.pop(name)
            whole.features.feature[name].CopyFrom(feature)
        merged.append(whole.SerializeToString())
    return merged


def examples_of_json(document: Mapping[str, Any]) -> list[bytes]:
    """The serialised examples of a REST request: `{"context": {…}, "examples": [{…}, …]}`."""
    from serving.server.api.example_json import example

    context, listed = document.get("context", {}), document.get("examples")
    if not isinstance(context, dict):
        raise invalid("Expecting 'context' to be an object.")
    if not isinstance(listed, list):
        raise invalid("When method is classify, key 'examples' is expected and was not found.")
    if not listed:
        raise invalid("Empty 'examples' list.")
    found = []
    for position, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise invalid(f"Expecting an object at item {position} of 'examples'.")
        found.append(example({**context, **entry}).SerializeToString())
    return found


def fill_classes(result: Any, found: Classes) -> None:
    """Write a `ClassificationResult`."""
    for row in found.rows():
        classes = result.classifications.add().classes
        for label, score in row:
            classes.add(label=label, score=score)


def fill_values(result: Any, values: np.ndarray) -> None:
    """Write a `RegressionResult`."""
    for value in values.tolist():
        result.regressions.add(value=value)


METHODS: Mapping[str, Callable[[SavedModel, str, Sequence[bytes], Any], None]] = {
    CLASSIFY: lambda model, signature, examples, result: fill_classes(
        result.classification_result, classify(model, signature, examples)
    ),
    REGRESS: lambda model, signature, examples, result: fill_values(
        result.regression_result, regress(model, signature, examples)
    ),
}
"""What MultiInference can do, by method name: fills an `InferenceResult`."""


def _asked(
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
