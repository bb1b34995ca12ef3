"""How a trunk wants its inputs prepared: what Transform makes of the columns of a spec."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words of the training split's own vocabulary: `models.features.TextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Strings as they are, for trunks that hold their own tokenizer: `RawTextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens of a pretrained tokenizer: `models.features.TokensFeature`.

    preset: a KerasHub preset, by name or directory, or a directory in Hugging Face format. Not part
        of a fingerprint: its files are an input of Transform.
    length: tokens per text with the special ones, cut or padded.
    """

    preset: str = field(metadata={"fingerprint": False})
    length: int


@dataclass(frozen=True, kw_only=True)
class AsTrained:
    """The very features of another trained model: its vocabularies, means and tokenizers.

    source: the directory of its trunk, see `models.trunks.kept`. Not part of a fingerprint, as
        above.
    """

    source: str = field(metadata={"fingerprint": False})


Reading = Words | Raw | Tokens | AsTrained
