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
from models.inputs.encodings import AsTrained, ByName, Reading, ReadingOfInput
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
    trained, fresh = _as_trained(inputs, reading)
    fits = {spec.name: _fit_of(spec) for spec in fresh}
    counted = {s.name: fits[s.name].counted(s, _of(reading, s)) for s in fresh}
    found = vocabularies(examples, [texts for texts in counted.values() if texts], context)
    for spec in fresh:
        texts = counted[spec.name]
        own = found[texts] if texts else TrainingTexts()
        training = TrainingColumn(columns[spec.name], examples, own, _of(reading, spec))
        trained[spec.name] = fits[spec.name].fit(spec, training)
    return tuple(trained[spec.name] for spec in inputs)


def features_without_data(
    inputs: tuple[Input, ...], reading: Reading
) -> tuple[Feature, ...] | None:
    """The feature of each input, if no data are needed to make them; else None.

    Raises:
        RootstockError: as for `fit_features`.
    """
    made, fresh = _as_trained(inputs, reading)
    for spec in fresh:
        if (feature := _fit_of(spec).fit_alone(spec, _of(reading, spec))) is None:
            return None
        made[spec.name] = feature
    return tuple(made[spec.name] for spec in inputs)


def _of(reading: Reading, spec: Input) -> ReadingOfInput:
    return reading.of(spec.name) if isinstance(reading, ByName) else reading


def _as_trained(
    inputs: tuple[Input, ...], reading: Reading
) -> tuple[dict[str, Feature], list[Input]]:
    """The features of trained models by input, and the inputs that have none."""
    groups: dict[str, list[Input]] = {}
    fresh: list[Input] = []
    for spec in inputs:
        own = _of(reading, spec)
        (groups.setdefault(own.source, []) if isinstance(own, AsTrained) else fresh).append(spec)
    features: dict[str, Feature] = {}
    for source, read in groups.items():
        try:
            made = as_trained(tuple(read), read_features(Path(source)))
        except (OSError, ValueError) as e:
            raise RootstockError(f"model.trunk: {e}") from e
        features |= {f.name: f for f in made}
    return features, fresh


def _fit_of(spec: Input) -> InputFit[Any]:
    return part("components.transform.fit", InputFit, spec.kind)()
