"""Turning inputs into features: the state of the preprocessing comes from the training split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.artifacts import Examples
from components.errors import RootstockError
from components.inputs.base import column_of
from components.stage import Context
from components.statistics.column_statistics import SplitStatistics
from components.transform.fit.base import InputFit, TrainingColumn, TrainingTexts
from components.transform.vocabularies import vocabularies
from models.discovery import part
from models.inputs.base import Feature, Input
from models.inputs.encodings import AsTrained, Reading
from models.inputs.trained import as_trained, read_features


def fit_features(
    inputs: tuple[Input, ...],
    reading: Reading,
    examples: Examples,
    train: SplitStatistics,
    context: Context,
) -> tuple[Feature, ...]:
    """The feature of each input.

    Raises:
        RootstockError: an input cannot read its column or be fitted to it; a trained model whose
            features are wanted cannot be read, or reads other inputs.
    """
    columns = {spec.name: column_of(spec, train) for spec in inputs}
    if isinstance(reading, AsTrained):
        return _as_trained(inputs, reading)
    fits = [_fit_of(spec) for spec in inputs]
    counted = [fit.counted(spec, reading) for fit, spec in zip(fits, inputs, strict=True)]
    found = vocabularies(examples, [texts for texts in counted if texts], context)
    features = []
    for spec, fit, texts in zip(inputs, fits, counted, strict=True):
        own = found[texts] if texts else TrainingTexts()
        training = TrainingColumn(columns[spec.name], examples, own, reading)
        features.append(fit.fit(spec, training))
    return tuple(features)


def features_without_data(
    inputs: tuple[Input, ...], reading: Reading
) -> tuple[Feature, ...] | None:
    """The feature of each input, if no data are needed to make them; else None.

    Raises:
        RootstockError: as for `fit_features`.
    """
    if isinstance(reading, AsTrained):
        return _as_trained(inputs, reading)
    features = [_fit_of(spec).fit_alone(spec, reading) for spec in inputs]
    made = tuple(f for f in features if f is not None)
    return made if len(made) == len(inputs) else None


def _as_trained(inputs: tuple[Input, ...], reading: AsTrained) -> tuple[Feature, ...]:
    try:
        return as_trained(inputs, read_features(Path(reading.source)))
    except (OSError, ValueError) as e:
        raise RootstockError(f"model.trunk: {e}") from e


def _fit_of(spec: Input) -> InputFit[Any]:
    return part("components.transform.fit", InputFit, spec.kind)()
