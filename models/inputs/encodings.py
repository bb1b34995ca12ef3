"""How a trunk wants its inputs prepared: what Transform makes of the columns of a spec."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.inputs.features import Feature, LayerFeature
from models.inputs.spec import Input, LayerInput


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words of the training split's own vocabulary: `models.inputs.features.TextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Strings as they are, for trunks that hold their own tokenizer: `RawTextFeature`."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens of a pretrained tokenizer: `models.inputs.features.TokensFeature`.

    preset: a KerasHub preset, by name or directory, or a directory in Hugging Face format. Not part
        of a fingerprint: its files are an input of Transform.
    length: tokens per text with the special ones, cut or padded.
    """

    preset: str = field(metadata={"fingerprint": False})
    length: int


@dataclass(frozen=True, kw_only=True)
class AsTrained:
    """The very features of another trained model: its vocabularies, means and tokenizers.

    source: its directory, see `models.multitask.record`. Not part of a fingerprint, as
        above.
    """

    source: str = field(metadata={"fingerprint": False})


Reading = Words | Raw | Tokens | AsTrained


def as_trained(inputs: tuple[Input, ...], trained: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """For each input the feature that another model read it as: that of its name, or else the only
    one of its kind.

    Raises:
        ValueError: an input has none, or a feature has no input.
    """
    text = ("text", "raw_text", "tokens")
    left = list(trained)
    found: dict[str, Feature] = {}
    for by_name in (True, False):
        for given in inputs:
            kinds = text if given.kind == "text" else (given.kind,)
            fits = [f for f in left if f.kind in kinds and (not by_name or f.name == given.name)]
            if given.name not in found and len(fits) == 1:
                found[given.name] = fits[0]
                left.remove(fits[0])
    for given in inputs:
        feature = found.get(given.name)
        if isinstance(given, LayerInput) and isinstance(feature, LayerFeature):
            asked, there = (given.layer, given.reads), (feature.layer, feature.reads)
            if asked != there:
                raise ValueError(
                    f"inputs.{given.name} has the layer {asked[0]}, which reads {asked[1]}, and the"
                    f" trained model {there[0]}, which reads {there[1]}. Expected the same: the"
                    " layer as it was trained with is what is used."
                )
    missing = [f"inputs.{i.name} ({i.kind})" for i in inputs if i.name not in found]
    if missing or left:
        told = [f"The trained model reads {', '.join(f'{f.name} ({f.kind})' for f in trained)}."]
        told += ["Expected inputs of the same names, or one of each kind."]
        told += [f"Not read: {', '.join(missing)}."] if missing else []
        told += [f"Without an input: {', '.join(f.name for f in left)}."] if left else []
        raise ValueError(" ".join(told))
    return tuple(replace(found[i.name], name=i.name, column=i.column) for i in inputs)
