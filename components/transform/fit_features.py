"""Inputs into features: the state of each one's preprocessing, from training statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from components.data.arrow import np
from components.errors import RootstockError
from components.statistics.column_fit import column_of
from components.statistics.column_statistics import (
    NumericColumn,
    SplitStatistics,
    StringColumn,
)
from models.inputs.encodings import AsTrained, Raw, Reading, Tokens, Words, as_trained
from models.inputs.features import (
    CategoricalFeature,
    Feature,
    ImageFeature,
    NumericFeature,
    RawTextFeature,
    TextFeature,
)
from models.inputs.spec import (
    CategoricalInput,
    ImageInput,
    Input,
    NumericInput,
    StatedInput,
    TextInput,
)
from models.model_files import read_description
from models.trunks.base import TrunkError
from models.trunks.sources.pretrained_tokens import tokens_feature

WORDS = Words()


def feature_of(
    given: StatedInput,
    train: SplitStatistics,
    vocabularies: Mapping[str, tuple[str, ...]],
    reading: Reading = WORDS,
) -> Feature:
    """The feature of an input. vocabularies: by name of text input, most frequent words first.

    Raises:
        RootstockError: its column is not there, or holds what the input cannot read.
    """
    column = column_of(given, train)
    if isinstance(given, ImageInput):
        return ImageFeature(
            name=given.name,
            column=given.column,
            height=given.height,
            width=given.width,
            channels=given.channels,
        )
    if isinstance(given, TextInput):
        return _text_feature(given, vocabularies, reading)
    if isinstance(given, NumericInput):
        assert isinstance(column, NumericColumn)
        if given.bins is not None:
            return _binned(given, given.bins, column)
        deviation = column.log_deviation if given.log else column.deviation
        return NumericFeature(
            name=given.name,
            column=given.column,
            mean=column.log_mean if given.log else column.mean,
            deviation=deviation or 1.0,
            log=given.log,
        )
    if isinstance(given, CategoricalInput):
        if given.buckets is not None or given.part is not None:
            return CategoricalFeature(
                name=given.name, column=given.column, buckets=given.buckets, part=given.part
            )
        assert isinstance(column, StringColumn | NumericColumn)
        values = tuple(v for v, _ in column.values.counts if v)[: given.max_values]
        return CategoricalFeature(name=given.name, column=given.column, vocabulary=values)
    assert_never(given)


def _binned(
    given: NumericInput, bins: int | tuple[float, ...], column: NumericColumn
) -> NumericFeature:
    """Boundaries at about equal steps of rank, each a value of the training split, so no bin is
    empty.
    """
    if isinstance(bins, int):
        steps = np.ceil(np.linspace(0, 100, bins + 1)[1:-1]).astype(np.int64)
        known = np.array(column.percentiles or (0.0,) * 101, np.float32)
        found = np.unique(known[steps])
        bins = tuple(float(b) for b in found if b > np.float32(column.minimum))
        if not bins:
            raise RootstockError(
                f"inputs.{given.name}: column {given.column!r} cannot be put into `bins`: too"
                f" many rows hold its smallest value, {column.minimum:g}. Leave `bins` out, or give"
                " the boundaries."
            )
    return NumericFeature(
        name=given.name, column=given.column, mean=0.0, deviation=1.0, boundaries=bins
    )


def _text_feature(
    given: TextInput, vocabularies: Mapping[str, tuple[str, ...]], reading: Reading
) -> Feature:
    if isinstance(reading, Raw):
        return RawTextFeature(name=given.name, column=given.column, clean=given.clean)
    if isinstance(reading, Tokens):
        try:
            found = tokens_feature(reading, given.name, given.column)
            return replace(found, clean=given.clean)
        except TrunkError as e:
            raise RootstockError(f"model.trunk: {e}") from e
    words = vocabularies[given.name][: given.vocabulary_size]
    return TextFeature(
        name=given.name,
        column=given.column,
        length=given.length,
        vocabulary=words,
        clean=given.clean,
    )


def features_as_trained(inputs: tuple[Input, ...], reading: AsTrained) -> tuple[Feature, ...]:
    """The features of inputs, with the state that another model's preprocessing has.

    Raises:
        RootstockError: that model is not there, or reads other inputs.
    """
    try:
        return as_trained(inputs, read_description(Path(reading.source)).features)
    except (OSError, ValueError) as e:
        raise RootstockError(f"model.trunk: {e}") from e
