"""What kinds of tasks with classes share: label texts, class order, checks, classifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from components.data.arrow import np, pa
from components.data.casting import texts
from components.errors import RootstockError, did_you_mean, listed
from components.labels.base import LabelColumn, Shape, Use
from models.tasks.base import Task

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict

SHOWN = 10


def single_texts(task: Task, column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One label per row as text, null for missing.

    Raises:
        RootstockError: the column holds lists or bytes.
    """
    if pa.types.is_list(column.type) or pa.types.is_binary(column.type):
        raise RootstockError(
            f"tasks.{task.name}: label column {task.label!r} holds {column.type} values. Expected"
            f" one value per row for a {task.kind} task."
        )
    return texts(column)


def sorted_classes(values: Iterable[str]) -> tuple[str, ...]:
    """Distinct class names in order: by number where all are integers, else as text."""
    distinct = set(values)
    if all(v.lstrip("-").isdigit() for v in distinct):
        return tuple(sorted(distinct, key=lambda v: (int(v), v)))
    return tuple(sorted(distinct))


def not_in_domain(value: str, domain: Sequence[str], key: str | None) -> str:
    """How an error goes on after naming a label value that is not in the domain.

    key: the task's field that declares the domain; None where it comes from the training split.
    """
    shown = ", ".join(domain[:SHOWN]) + (", …" if len(domain) > SHOWN else "")
    where = f"the task's `{key}`" if key else "the classes of the training split"
    return f"is not in {where} ({shown}).{did_you_mean(value, domain)}"


def unknown_label(
    task: Task, value: str, row: int, domain: Sequence[str], key: str | None
) -> RootstockError:
    """The error for a row's label that is not in the domain."""
    return RootstockError(
        f"tasks.{task.name}: label {value!r} of column {task.label!r}, row {row},"
        f" {not_in_domain(value, domain, key)}"
    )


def unfit(task: Task, column: LabelColumn, shapes: Sequence[Shape]) -> str:
    """Why a column cannot hold classes; empty if it can."""
    holds = f"label column {task.label!r} holds {column.type} values."
    if column.shape not in shapes:
        return f"{holds} Expected {' or '.join(shapes)} for a {task.kind} task."
    if column.truncated:
        return f"{holds} They have too many distinct values to be classes."
    return ""


def outside_domain(
    task: Task,
    split: str,
    unknown: Sequence[tuple[str, int]],
    domain: Sequence[str],
    key: str | None,
) -> list[str]:
    """A sentence about the label values of a split that are not in the domain, if there are any.

    unknown: rows by such value.
    """
    if not unknown:
        return []
    first = unknown[0][0]
    return [
        f"column {task.label!r} of {split} holds labels outside the domain: {listed(unknown)}."
        f" {first!r} {not_in_domain(first, domain, key)}"
    ]


def without_examples(classes: Sequence[str], in_train: Set[str | None]) -> list[str]:
    """A sentence about each class that no training row has."""
    return [
        f"class {name!r} has no examples in train. Expected some, or the class left out."
        for name in classes
        if name not in in_train
    ]


def classifier(use: Use, seed: int) -> Any:
    """A scikit-learn classifier."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    models: Mapping[Use, Callable[[], Any]] = {
        "majority": lambda: DummyClassifier(strategy="prior"),
        "linear": lambda: LogisticRegression(C=10, max_iter=500),
        "boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
    }
    return models[use]()


def fit_classifier(
    make: Callable[[], Any], features: pd.DataFrame, codes: np.ndarray, classes: int
) -> Predict:
    """Probabilities [rows, classes] from a model of the rows that have a label.

    codes: int64 [rows], -1 for missing.
    """
    from sklearn.dummy import DummyClassifier

    known = codes >= 0
    y = codes[known]
    one_class = len(np.unique(y)) == 1
    model = DummyClassifier(strategy="prior") if one_class else make()
    model.fit(features[known], y)

    def predict(rows: pd.DataFrame) -> np.ndarray:
        probabilities = np.zeros((len(rows), classes))
        probabilities[:, model.classes_] = model.predict_proba(rows)
        return probabilities

    return predict
