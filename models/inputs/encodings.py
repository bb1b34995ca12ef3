"""How a trunk wants its inputs prepared, which decides what Transform makes of text columns."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words of the training split's own vocabulary: `models.inputs.text.TextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Strings, for trunks with their own tokenizer: `models.inputs.raw_text.RawTextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens of a pretrained tokenizer: `models.inputs.tokens.TokensFeature`.

    preset: a KerasHub preset, by name or directory, or a directory in Hugging Face format. Not part
        of a fingerprint: its files are an input of Transform.
    length: tokens per window with the special ones, cut or padded. windows: per text, at most.
    """

    preset: str = field(metadata={"fingerprint": False})
    length: int
    windows: int = 1


@dataclass(frozen=True, kw_only=True)
class AsTrained:
    """The very features of another trained model: its vocabularies, means and tokenizers.

    source: its directory, see `models.multitask.record`. Not part of a fingerprint, as above.
    """

    source: str = field(metadata={"fingerprint": False})


ReadingOfInput = Words | Raw | Tokens | AsTrained


@dataclass(frozen=True, kw_only=True)
class ByName:
    """Inputs in different ways. readings: by name of the input. others: of all other inputs."""

    readings: dict[str, ReadingOfInput]
    others: ReadingOfInput

    def of(self, name: str) -> ReadingOfInput:
        return self.readings.get(name, self.others)


Reading = ReadingOfInput | ByName
