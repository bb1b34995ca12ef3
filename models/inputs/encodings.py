"""How a trunk wants its inputs prepared, which decides what Transform makes of text columns.

kind: of the features that text inputs become.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from models.inputs.base import Feature, Input


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words of the training split's own vocabulary: `models.inputs.text.TextFeature`."""

    kind: Literal["text"] = "text"


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Strings as they are, for trunks that hold their own tokenizer:
    `models.inputs.raw_text.RawTextFeature`.
    """

    kind: Literal["raw_text"] = "raw_text"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens of a pretrained tokenizer: `models.inputs.tokens.TokensFeature`.

    preset: a KerasHub preset, by name or directory, or a directory in Hugging Face format. Not part
        of a fingerprint: its files are an input of Transform.
    length: tokens per text with the special ones, cut or padded.
    """

    kind: Literal["tokens"] = "tokens"
    preset: str = field(metadata={"fingerprint": False})
    length: int


@dataclass(frozen=True, kw_only=True)
class AsTrained:
    """The very features of another trained model: its vocabularies, means and tokenizers.

    source: its directory, see `models.multitask.record`. Not part of a fingerprint, as above.
    """

    source: str = field(metadata={"fingerprint": False})


Reading = Words | Raw | Tokens | AsTrained


def as_trained(inputs: tuple[Input, ...], trained: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The feature of a trained model for each input: that of the same name, or else the only one of
    a fitting kind.

    Raises:
        ValueError: an input has no feature, or a feature has no input.
    """
    left = list(trained)
    matches: dict[str, Feature] = {}
    for by_name in (True, False):
        for spec in inputs:
            fitting = [
                f
                for f in left
                if f.kind in spec.feature_kinds and (not by_name or f.name == spec.name)
            ]
            if spec.name not in matches and len(fitting) == 1:
                matches[spec.name] = fitting[0]
                left.remove(fitting[0])
    for spec in inputs:
        if spec.name in matches and (problem := spec.check_trained(matches[spec.name])):
            raise ValueError(problem)
    missing = [f"inputs.{i.name} ({i.kind})" for i in inputs if i.name not in matches]
    if missing or left:
        sentences = [
            f"The trained model reads {', '.join(f'{f.name} ({f.kind})' for f in trained)}.",
            "Expected inputs of the same names, or one of each kind.",
        ]
        sentences += [f"Not read: {', '.join(missing)}."] if missing else []
        sentences += [f"Without an input: {', '.join(f.name for f in left)}."] if left else []
        raise ValueError(" ".join(sentences))
    return tuple(replace(matches[i.name], name=i.name, column=i.column) for i in inputs)
