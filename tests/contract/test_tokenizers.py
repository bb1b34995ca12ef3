"""Every tokenizer of KerasHub for texts becomes a feature, and a part of a served model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import keras_hub
import pytest

from models.inputs.encodings import Tokens
from models.inputs.layers import byte_pairs
from models.inputs.layers.byte_pairs import LONGEST, SHORT
from models.inputs.layers.tokens import Tokenizer
from models.inputs.sources import pretrained_tokens
from models.inputs.sources.pretrained_tokens import TokenizerError, tokens_feature
from models.lazy import tf
from tests.pretrained_files import sentence_piece
from tests.pretrained_words import WORDS

pytestmark = pytest.mark.slow

FAMILIES = keras_hub.tokenizers
OTHERS = {
    "Tokenizer": "the interface",
    "BytePairTokenizer": "a base class: no backbone",
    "SentencePieceTokenizer": "a base class: no backbone",
    "WordPieceTokenizer": "a base class: no backbone",
    "ByteTokenizer": "no backbone",
    "UnicodeCodepointTokenizer": "no backbone",
    "PARSeqTokenizer": "characters in images",
    "WhisperTokenizer": "speech",
    "RWKVTokenizer": "runs in Python: refused, below",
    "MistralTekkenTokenizer": "runs in Python: refused, below",
}
CLASSES = {
    cls.__name__: cls
    for name in dir(FAMILIES)
    if name.endswith("Tokenizer") and (cls := getattr(FAMILIES, name)).__name__ not in OTHERS
}
CHARACTERS = sorted(set("".join(WORDS)))
TEXTS = ["win a prize now", "", "call me", "free free free free free free"]


def small(cls: type) -> Any:
    """A tokenizer of this class. Its errors say which special tokens it needs."""
    special: list[str] = []
    while True:
        try:
            return _with(cls, special)
        except ValueError as e:
            missing = re.search(r"annot find (?:special token `.|`oov_token=.)([^`]*).`", str(e))
            if missing is None or missing[1] in special:
                raise
            special.append(missing[1])


def _with(cls: type, special: list[str]) -> Any:
    if issubclass(cls, FAMILIES.SentencePieceTokenizer):
        return cls(proto=sentence_piece(special))
    if issubclass(cls, FAMILIES.WordPieceTokenizer):
        return cls(vocabulary=list(dict.fromkeys([*special, "[PAD]", "[UNK]", *WORDS])))
    ends = [f"{c}</w>" for c in CHARACTERS] if issubclass(cls, FAMILIES.CLIPTokenizer) else []
    tokens = dict.fromkeys([*special, "<s>", "</s>", *CHARACTERS, *ends, "Ġ", "Ġa", "wi"])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return cls(vocabulary=vocabulary, merges=["Ġ a", "w i"])


def saved(tokenizer: Any, directory: Path) -> Path:
    """A preset of the tokenizer, with the name of its backbone."""
    tokenizer.save_to_preset(str(directory))
    backbone = type(tokenizer).backbone_cls
    config = {
        "module": backbone.__module__,
        "class_name": backbone.__name__,
        "config": {},
        "registered_name": f"keras_hub>{backbone.__name__}",
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def test_there_are_many() -> None:
    assert len(CLASSES) > 40
    assert {"FNetTokenizer", "XLMRobertaTokenizer", "GPT2Tokenizer"} <= set(CLASSES)
    assert all(hasattr(FAMILIES, name) for name in OTHERS)


@pytest.mark.parametrize("name", CLASSES)
def test_a_feature_has_the_whole_tokenizer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it checks is traced, which takes seconds; a test of each family follows.
    monkeypatch.setattr(pretrained_tokens, "_unusable", lambda feature: "")
    tokenizer = small(CLASSES[name])
    reading = Tokens(preset=str(saved(tokenizer, tmp_path)), length=8)
    feature = tokens_feature(reading, "words", "t")
    rebuilt = Tokenizer(feature).tokenizer
    found, expected = ([list(map(int, ids)) for ids in t(TEXTS)] for t in (rebuilt, tokenizer))
    assert found == expected
    special = {k: getattr(tokenizer, f"{k}_token_id", None) for k in ("start", "end", "pad")}
    assert (feature.start, feature.end) == (special["start"], special["end"])
    assert feature.pad == (special["pad"] or 0)
    assert feature.vocabulary_size == tokenizer.vocabulary_size()


@pytest.mark.parametrize("name", ["BertTokenizer", "FNetTokenizer"])
def test_a_family_is_part_of_a_saved_model(name: str, tmp_path: Path) -> None:
    tokenizer, length = small(CLASSES[name]), 60
    reading = Tokens(preset=str(saved(tokenizer, tmp_path / "preset")), length=length)
    feature = tokens_feature(reading, "words", "t")
    ours = Tokenizer(feature)
    found = ours(tf.constant(TEXTS)).numpy().tolist()
    for text, ids in zip(TEXTS, found, strict=True):
        expected = [feature.start, *(int(i) for i in tokenizer(text)), feature.end]
        assert ids == [*expected, *[feature.pad] * length][:length]
    tf.saved_model.save(ours, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert loaded(tf.constant(TEXTS)).numpy().tolist() == found


def test_a_word_of_any_length_needs_bounded_memory(tmp_path: Path) -> None:
    """Merged in pieces, each different word once; KerasHub takes all words as long as the longest
    of a batch.
    """
    tokenizer = small(CLASSES["GPT2Tokenizer"])
    reading = Tokens(preset=str(saved(tokenizer, tmp_path)), length=8)
    ours = Tokenizer(tokens_feature(reading, "words", "t")).tokenizer
    merge, sizes = ours._bpe_merge_tf, []

    def spied(words: tf.RaggedTensor) -> tf.RaggedTensor:
        sizes.append(words.bounding_shape().numpy().tolist())
        return merge(words)

    ours._bpe_merge_tf = spied
    texts = ["w" * (2 * LONGEST + 1), "wi " * 50, "w" * LONGEST]
    tf.config.run_functions_eagerly(True)
    try:
        found = [list(map(int, ids)) for ids in ours(texts)]
    finally:
        tf.config.run_functions_eagerly(False)
    assert sizes[0][0] <= 4
    assert sizes[0][1] <= SHORT
    assert sizes[1] == [4, LONGEST]
    expected = [list(map(int, ids)) for ids in tokenizer(["w" * LONGEST, "w", texts[1]])]
    assert found == [expected[0] * 2 + expected[1], expected[2], expected[0]]


def test_a_byte_pair_tokenizer_keeps_a_bounded_number_of_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = small(CLASSES["GPT2Tokenizer"])
    reading = Tokens(preset=str(saved(tokenizer, tmp_path)), length=8)
    monkeypatch.setattr(byte_pairs, "KEPT", 4)
    ours = Tokenizer(tokens_feature(reading, "words", "t")).tokenizer
    for text in ["wi w wiw", "www iw wi ww", "iii wi wwi", "i" * (SHORT + 1)]:
        assert list(map(int, ours([text])[0])) == list(map(int, tokenizer([text])[0]))
    assert int(ours.cache.id2value.size()) == 4


@pytest.mark.parametrize("name", ["RWKVTokenizer", "MistralTekkenTokenizer"])
def test_a_tokenizer_that_runs_in_python_is_refused(name: str, tmp_path: Path) -> None:
    numbers = {c: i for i, c in enumerate(["<s>", "</s>", *CHARACTERS, "wi"], 1)}
    options: dict[str, dict[str, object]] = {
        "RWKVTokenizer": {"vocabulary": [f"{i} {c!r} {len(c)}\n" for c, i in numbers.items()]},
        "MistralTekkenTokenizer": {
            "vocabulary": numbers,
            "merges": ["w i"],
            "split_pattern": r"\w+|\s+",
        },
    }
    preset = saved(getattr(FAMILIES, name)(**options[name]), tmp_path)
    with pytest.raises(TokenizerError, match=rf"its {name} cannot be part of a served model: it"):
        tokens_feature(Tokens(preset=str(preset), length=8), "words", "t")
