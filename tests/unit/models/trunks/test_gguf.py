"""Decoders in GGUF files as trunks: their special tokens, poolings, stored weights and problems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.inputs.image import ImageInput
from models.inputs.layers.tokens import Tokenizer
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.inputs.text import TextInput
from models.inputs.tokens import TokensFeature
from models.lazy import tf
from models.trunks.gguf import Gguf
from models.trunks.keras_hub import KerasHub
from tests.gguf_files import BYTE_PAIRS, LLAMA, llama_file, llama_tensors, write_gguf

WORDS = (TextInput(name="words", column="t"),)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    llama_file(path)
    return path


def tokens(trunk: Gguf) -> TokensFeature:
    return tokens_feature(trunk.reading(), "words", "t")  # type: ignore[arg-type]


def test_problems_are_found_without_tensorflow(small: Path, tmp_path: Path) -> None:
    trunk = Gguf(file=str(small), length=32)
    assert trunk.check(WORDS) == []
    assert "has 32 positions, but `length` is 33" in replace(trunk, length=33).check(WORDS)[0]
    image = ImageInput(name="photo", column="p", height=2, width=2)
    assert "reads text, but inputs.photo is image" in trunk.check((image,))[0]
    assert "none: No such file" in Gguf(file=str(tmp_path / "none")).check(WORDS)[0]
    write_gguf(tmp_path / "f", BYTE_PAIRS | LLAMA | {"general.architecture": "rwkv"}, {})
    assert "Expected one of llama" in Gguf(file=str(tmp_path / "f")).check(WORDS)[0]


def test_more_memory_than_there_is(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = Gguf(file=str(small), length=32)
    monkeypatch.setattr("models.trunks.sources.memory.free_memory", lambda: 2**30)
    assert "weights in float32 need about 1.0 GiB of memory, but 1.0 GiB" in trunk.check(WORDS)[0]


def test_what_a_transfer_mode_needs(small: Path) -> None:
    trunk = Gguf(file=str(small))
    assert not trunk.check_transfer(frozen=True)
    assert not trunk.check_transfer(frozen=False)
    assert "that have to be learned" in replace(trunk, pooling="attention").check_transfer(True)
    assert not replace(trunk, pooling="attention").check_transfer(False)
    assert "is for `transfer: frozen`" in replace(trunk, dtype="bfloat16").check_transfer(False)
    assert not replace(trunk, dtype="bfloat16").check_transfer(True)


@pytest.mark.slow
def test_a_saved_trunk_is_keras_hubs(small: Path, tmp_path: Path) -> None:
    """Also with weights in bfloat16, which compute in float32."""
    trunk = Gguf(file=str(small), length=6, pooling="mean", dtype="bfloat16")
    feature = tokens(trunk)
    ids = Tokenizer(feature)(tf.constant(["ab ab!", "abcdefgh"]))
    exact = replace(trunk, dtype="float32").build((feature,))
    model = trunk.build((feature,))
    kernels = [w for w in model.weights if len(w.shape) > 1]
    assert {w.dtype for w in kernels} == {"bfloat16"}
    assert model.output.dtype == "float32"
    rounded = [np.asarray(w).astype("float32") for w in model.weights]
    exact.set_weights(rounded)
    found = model({"words": ids}, training=False)
    np.testing.assert_allclose(found, exact({"words": ids}, training=False), atol=1e-5)

    trunk.save_files(tmp_path)
    again = trunk.with_saved_files(tmp_path)
    assert isinstance(again, KerasHub)
    rebuilt = again.build((feature,))
    rebuilt.set_weights(model.get_weights())
    np.testing.assert_array_equal(rebuilt({"words": ids}, training=False), found)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # eager, of one token
def test_the_last_token_is_that_of_the_text(small: Path) -> None:
    """In any company, and 0 for a text without tokens."""
    trunk = Gguf(file=str(small), length=6, windows=1)
    feature = tokens(trunk)
    texts = ["ab ab", "a", "", "abcdefgh abcdefgh"]
    ids = Tokenizer(feature)(tf.constant(texts)).numpy()
    model = trunk.build((feature,))
    together = np.asarray(model({"words": ids}, training=False))
    for row, text in enumerate(texts):
        alone = np.asarray(model({"words": ids[row : row + 1]}, training=False))[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5, err_msg=text)
    assert not together[2].any()
    changed = ids.copy()
    changed[0, 0] = 5
    assert np.abs(model({"words": changed}) - together)[0].max() > 1e-3  # it has read all others


@pytest.mark.slow
def test_a_file_without_a_part_is_refused_when_it_is_built(small: Path, tmp_path: Path) -> None:
    from models.trunks.base import TrunkError

    feature = tokens(Gguf(file=str(small), length=6))
    few = {n: t for n, t in llama_tensors().items() if n != "output_norm.weight"}
    write_gguf(tmp_path / "f", LLAMA | BYTE_PAIRS, few)
    with pytest.raises(TrunkError, match=r"f: it has no tensor 'output_norm.weight'"):
        Gguf(file=str(tmp_path / "f"), length=6).build((feature,))
