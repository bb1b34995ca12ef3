"""Tokenizers in GGUF files give the tokens of the tokenizers that they were made of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from models.inputs.encodings import Tokens
from models.inputs.layers.tokens import Tokenizer
from models.inputs.sources.gguf_file import GgufError, read_gguf
from models.inputs.sources.gguf_tokenizer import gguf_tokenizer
from models.inputs.sources.pretrained_tokens import TokenizerError, tokens_feature
from models.lazy import tf
from tests.gguf_files import BYTE_PAIRS, TOKENS, write_gguf
from tests.pretrained_words import WORDS

TYPES = "tokenizer.ggml.token_type"


def written(path: Path, **changes: Any) -> str:
    changed = {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
    metadata = {"general.architecture": "llama"} | BYTE_PAIRS | changed
    write_gguf(path, {k: v for k, v in metadata.items() if v is not None}, {})
    return str(path)


@pytest.mark.slow
def test_byte_pairs(tmp_path: Path) -> None:
    """Control tokens in a text are characters; tokens that the model's makers added stay whole."""
    v = {token: i for i, token in enumerate(TOKENS)}
    added = v["Z"]
    types = [4 if i == added else kind for i, kind in enumerate(BYTE_PAIRS[TYPES])]
    tokens = [*TOKENS[:added], "<end>", *TOKENS[added + 1 :]]
    path = written(
        tmp_path / "f", add_bos_token=True, padding_token_id=0, token_type=types, tokens=tokens
    )
    feature = tokens_feature(Tokens(preset=path, length=9), "words", "t")
    assert (feature.start, feature.end, feature.pad) == (1, None, 0)
    assert feature.vocabulary_size == len(TOKENS)
    ids = Tokenizer(feature)(tf.constant(["ab ab!<end>", "", "<|endoftext|>"])).numpy().tolist()
    assert ids[0] == [1, v["ab"], v["Ġ"], v["ab"], v["!"], added, 0, 0, 0]
    assert ids[1] == [1] + [0] * 8
    assert ids[2] == [1, *(v[c] for c in "<|endoft")]


@pytest.mark.slow
def test_sentence_piece(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([" ".join(WORDS)] * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    own = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(own.get_piece_size())
    kinds = [
        6 if own.is_byte(i) else 2 if own.is_unknown(i) else 3 if own.is_control(i) else 1
        for i in ids
    ]
    path = written(
        tmp_path / "f",
        model="llama",
        tokens=[own.id_to_piece(i) for i in ids],
        scores=[float(own.get_score(i)) for i in ids],
        token_type=kinds,
        bos_token_id=1,
        eos_token_id=2,
        add_bos_token=None,
    )
    made = gguf_tokenizer(read_gguf(path))
    assert (made.start, made.end) == (1, None)
    texts = ["win a prize now", "  see  you ", "", "Grüße 東", "freefree"]
    expected = [own.encode(text) for text in texts]
    assert [list(map(int, made.tokenizer(text))) for text in texts] == expected
    feature = tokens_feature(Tokens(preset=path, length=30), "words", "t")
    found = Tokenizer(feature)(tf.constant(texts)).numpy().tolist()
    assert found == [([1, *ids] + [feature.pad] * 30)[:30] for ids in expected]


def test_tokenizers_that_cannot_be_represented_are_refused(tmp_path: Path) -> None:
    for changes, message in (
        ({"model": "rwkv"}, r"f: its tokenizer is of the kind 'rwkv'. Expected gpt2"),
        ({"pre": "llama-bpe"}, r"f: its tokenizer splits words by the rule 'llama-bpe'"),
        ({"tokens": None}, r"f: its metadata has no 'tokenizer.ggml.tokens'"),
        ({"model": None}, r"f: its metadata has no 'tokenizer.ggml.model'"),
    ):
        path = written(tmp_path / "f", **changes)
        with pytest.raises(GgufError, match=message):
            gguf_tokenizer(read_gguf(path))
        with pytest.raises(TokenizerError, match=message):
            tokens_feature(Tokens(preset=path, length=8), "words", "t")


def test_merges_of_other_tokens_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "f", merges=["x y"])
    with pytest.raises(TokenizerError, match="no tokenizer can be read from it: "):
        tokens_feature(Tokens(preset=path, length=8), "words", "t")
