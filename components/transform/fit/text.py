"""Texts become words of a vocabulary, tokens of a pretrained tokenizer, or stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from components.errors import RootstockError
from components.transform.fit.base import CleanedColumn, InputFit, TrainingColumn
from models.inputs.base import Feature
from models.inputs.encodings import Raw, ReadingOfInput, Tokens, Words
from models.inputs.raw_text import RawTextFeature
from models.inputs.sources.pretrained_tokens import TokenizerError, tokens_feature
from models.inputs.text import TextFeature, TextInput

WHOLE = 0.99
"""Share of training texts that an automatic length does not cut."""
LONGEST = 512
"""The largest automatic length, in words."""


class TextFit(InputFit[TextInput]):
    def counted(self, spec: TextInput, reading: ReadingOfInput) -> CleanedColumn | None:
        return (spec.column, spec.clean) if isinstance(reading, Words) else None

    def fit_alone(self, spec: TextInput, reading: ReadingOfInput) -> Feature | None:
        if isinstance(reading, Raw):
            return RawTextFeature(name=spec.name, column=spec.column, clean=spec.clean)
        if isinstance(reading, Tokens):
            try:
                feature = tokens_feature(reading, spec.name, spec.column)
            except TokenizerError as e:
                raise RootstockError(f"model.trunk: {e}") from e
            return replace(feature, clean=spec.clean)
        return None

    def fit(self, spec: TextInput, training: TrainingColumn) -> Feature:
        return self.fit_alone(spec, training.reading) or TextFeature(
            name=spec.name,
            column=spec.column,
            length=spec.length or automatic_length(training.texts.lengths),
            vocabulary=training.texts.words[: spec.vocabulary_size],
            clean=spec.clean,
        )


def automatic_length(lengths: Mapping[int, int]) -> int:
    """The number of words that leaves `WHOLE` of the texts whole, from 1 to `LONGEST`.

    lengths: number of texts by their number of words.
    """
    wanted, held = WHOLE * sum(lengths.values()), 0
    for length in sorted(lengths):
        held += lengths[length]
        if held >= wanted:
            return min(max(length, 1), LONGEST)
    return 1
