"""Presets: tokens like those of their own preprocessors, pooling, and errors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from models.inputs.encodings import Tokens
from models.inputs.image import ImageFeature
from models.inputs.layers.tokens import Tokenizer
from models.inputs.sources.presets import local_preset
from models.inputs.sources.pretrained_tokens import TokenizerError, tokens_feature
from models.inputs.text import TextInput
from models.inputs.tokens import TokensFeature
from models.lazy import keras, tf
from models.masked_url import MaskedUrl
from models.trunks.base import TrunkError, layer_groups
from models.trunks.keras_hub import KerasHub
from tests.pretrained_files import IMAGE, TEXTS, decoder_preset, image_preset, text_preset
from tests.pretrained_words import GPT_VOCABULARY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = tmp_path_factory.mktemp("presets")
    text_preset(files / "text")
    image_preset(files / "image")
    return files


def feature(presets: Path, length: int = 8) -> TokensFeature:
    return tokens_feature(Tokens(preset=str(presets / "text"), length=length), "words", "t")


@pytest.mark.parametrize("length", [3, 8])
def test_tokens_are_those_of_the_preset(presets: Path, length: int) -> None:
    expected = keras_hub.models.BertTextClassifierPreprocessor(
        keras_hub.tokenizers.BertTokenizer.from_preset(str(presets / "text")),
        sequence_length=length,
    )(TEXTS)["token_ids"]
    found = Tokenizer(feature(presets, length))(tf.constant(TEXTS))
    assert found.dtype == tf.int32
    np.testing.assert_array_equal(found, expected)


def test_byte_pair_tokens_survive_a_saved_model(tmp_path: Path) -> None:
    """Tokenizers with look-up tables, and one whose padding is an ordinary token."""
    vocabulary = GPT_VOCABULARY
    decoder_preset(tmp_path / "gpt")
    trunk = KerasHub(preset=str(tmp_path / "gpt"), length=6, windows=1)
    found = tokens_feature(trunk.reading(), "words", "t")
    tokenizer = Tokenizer(found)
    texts = tf.constant(["ab ab!", "", "abcdefgh"])
    before = tokenizer(texts).numpy()
    end = vocabulary["<|endoftext|>"]
    assert before[0].tolist() == [end, vocabulary["ab"], vocabulary["Ġ"], vocabulary["ab"], 0, end]
    tf.saved_model.save(tokenizer, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded(texts), before)
    built = trunk.build((found,))
    other = before.copy()
    other[0, 4] = vocabulary["c"]  # the "!" before the end is no padding: it matters
    assert np.abs(built({"words": before})[0] - built({"words": other})[0]).max() > 1e-6


def test_a_hugging_face_tokenizer_drops_accents_as_it_says(presets: Path, tmp_path: Path) -> None:
    directory = tmp_path / "hf"
    directory.mkdir()
    config = {
        "model_type": "bert",
        "vocab_size": 17,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "hidden_size": 4,
        "intermediate_size": 4,
        "max_position_embeddings": 8,
        "hidden_dropout_prob": 0.1,
        "type_vocab_size": 2,
    }
    (directory / "config.json").write_text(json.dumps(config))
    shutil.copy(presets / "text/assets/tokenizer/vocabulary.txt", directory / "vocab.txt")
    reading = Tokens(preset=str(directory), length=5)
    for options, win in (({}, True), ({"strip_accents": False}, False)):
        options = {"do_lower_case": True, "strip_accents": None} | options
        (directory / "tokenizer_config.json").write_text(json.dumps(options))
        tokens = Tokenizer(tokens_feature(reading, "words", "t"))(tf.constant(["WÍN"]))
        assert bool(tokens[0, 1] == 7) is win


def test_padding_does_not_change_a_text(presets: Path) -> None:
    short, long = feature(presets, 6), feature(presets, 12)
    text = tf.constant(["win a prize"])
    trunk = KerasHub(preset=str(presets / "text"))
    first = trunk.build((short,))({"words": Tokenizer(short)(text)})
    second = trunk.build((long,))({"words": Tokenizer(long)(text)})
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_pooling(presets: Path) -> None:
    given = feature(presets)
    ids = Tokenizer(given)(tf.constant(TEXTS))
    backbone = keras_hub.models.Backbone.from_preset(str(presets / "text"))
    present = tf.cast(ids != 0, tf.int32)
    outputs = backbone(
        {"token_ids": ids, "padding_mask": present, "segment_ids": tf.zeros_like(ids)}
    )
    weights = tf.cast(present, tf.float32)[..., None]
    sequence = outputs["sequence_output"]
    expected = {
        "mean": tf.reduce_sum(sequence * weights, 1) / tf.reduce_sum(weights, 1),
        "first": sequence[:, 0],
        "pooled": outputs["pooled_output"],
    }
    for pooling, values in expected.items():
        trunk = KerasHub(preset=str(presets / "text"), pooling=pooling)  # type: ignore[arg-type]
        found = trunk.build((given,))({"words": ids}, training=False)
        np.testing.assert_allclose(found, values, atol=1e-5, err_msg=pooling)


def test_normalised_vectors_have_length_one_and_the_same_direction(presets: Path) -> None:
    text = feature(presets)
    tokens = {"words": Tokenizer(text)(tf.constant(TEXTS))}
    trunk = KerasHub(preset=str(presets / "text"), length=8, windows=2)
    text = replace(text, windows=1)
    plain, unit = (
        np.asarray(t.build((text,))(tokens)) for t in (trunk, replace(trunk, normalize=True))
    )
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-5
    )
    with pytest.raises(TrunkError, match="`normalize` is for text only"):
        KerasHub(preset=str(presets / "image"), normalize=True).build((IMAGE,))


def test_two_texts_share_the_backbone(presets: Path) -> None:
    one = feature(presets)
    two = replace(one, name="title")
    trunk = KerasHub(preset=str(presets / "text"))
    alone, both = trunk.build((one,)), trunk.build((one, two))
    assert both.count_params() == alone.count_params()
    assert both.output.shape[-1] == 2 * alone.output.shape[-1]


def test_without_pretraining_the_weights_are_fresh(presets: Path) -> None:
    given = feature(presets)
    trunk = KerasHub(preset=str(presets / "text"))
    keras.utils.set_random_seed(3)
    pretrained, fresh = trunk.build((given,)), replace(trunk, pretrained=False).build((given,))
    shapes = [w.shape for w in pretrained.weights]
    assert shapes == [w.shape for w in fresh.weights]
    assert not np.allclose(pretrained.get_weights()[0], fresh.get_weights()[0])


def test_images_are_scaled_as_the_preset_says(presets: Path) -> None:
    size = ImageFeature(name="photo", column="p", height=16, width=16, channels=3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    trunk = KerasHub(preset=str(presets / "image")).build((size,))
    backbone = keras_hub.models.Backbone.from_preset(str(presets / "image"))
    expected = tf.reduce_mean(backbone(pixels / 127.5 - 1.0, training=False), [1, 2])
    np.testing.assert_allclose(trunk({"photo": pixels}, training=False), expected, atol=1e-4)


def test_the_blocks_of_a_vision_transformer_are_groups(tmp_path: Path) -> None:
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(8, 8, 3), patch_size=4, num_layers=3, num_heads=2, hidden_dim=8, mlp_dim=8
    )
    backbone.save_to_preset(str(tmp_path))
    converter = keras_hub.layers.ViTImageConverter(image_size=(8, 8), scale=1 / 255)
    converter.save_to_preset(str(tmp_path))
    for pooling in ("mean", "first"):
        trunk = KerasHub(preset=str(tmp_path), pooling=pooling).build((IMAGE,))  # type: ignore[arg-type]
        pixels = np.full((2, IMAGE.height, IMAGE.width, 3), 7, np.uint8)
        assert trunk({"photo": pixels}).shape == (2, 8)
    groups = layer_groups(trunk)
    assert list(groups) == ["stem", "stage1", "stage2", "stage3"]
    grouped = [id(w) for layers in groups.values() for la in layers for w in la.weights]
    assert sorted(grouped) == sorted(id(w) for w in trunk.weights)


def test_unsuitable_inputs_are_explained(presets: Path, tmp_path: Path) -> None:
    text, image = str(presets / "text"), str(presets / "image")
    with pytest.raises(TrunkError, match=r"expected TokensFeature. Received: ImageFeature"):
        KerasHub(preset=text).build((IMAGE,))
    with pytest.raises(TrunkError, match=r"expected ImageFeature. Received: TokensFeature"):
        KerasHub(preset=image).build((feature(presets),))
    with pytest.raises(TrunkError, match=r"max_sequence_length is 16.*needs 20: lower"):
        KerasHub(preset=text).build((feature(presets, 20),))
    with pytest.raises(TrunkError, match="belongs to another model"):
        KerasHub(preset=text).build((replace(feature(presets), vocabulary_size=99),))
    with pytest.raises(TokenizerError, match="no tokenizer can be read"):
        tokens_feature(Tokens(preset=image, length=8), "words", "t")


def test_missing_parts_of_a_preset_are_named(presets: Path, tmp_path: Path) -> None:
    words = (TextInput(name="words", column="t"),)
    copy = tmp_path / "copy"
    shutil.copytree(presets / "text", copy)
    trunk = KerasHub(preset=str(copy), length=16)
    assert trunk.check(words) == []
    longer = replace(trunk, length=17).check(words)[0]
    assert "it has 16 positions, but `length` is 17. Lower the trunk's `length`" in longer
    (copy / "assets/tokenizer/vocabulary.txt").unlink()
    with pytest.raises(TokenizerError, match=r"vocabulary.txt"):
        tokens_feature(trunk.reading(), "words", "t")  # type: ignore[arg-type]
    (copy / "model.weights.h5").unlink()
    assert "has no weights" in trunk.check(words)[0]
    with pytest.raises(TrunkError, match="cannot be loaded"):
        trunk.build((feature(presets),))
    (copy / "config.json").unlink()
    assert "no config.json" in trunk.check(words)[0]
    assert "no such directory" in KerasHub(preset=str(tmp_path / "none")).check(words)[0]


def test_a_name_is_found_in_the_cache_or_needs_the_network(
    presets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "models.trunks.sources.presets._HOSTS", {"kaggle": MaskedUrl("http://no-such-host.invalid")}
    )
    words = (TextInput(name="words", column="t"),)
    trunk = KerasHub(preset="bert_tiny_en_uncased", length=16)
    assert "cannot be reached" in trunk.check(words)[0]
    versions = tmp_path / "models/keras/bert/keras/bert_tiny_en_uncased"
    shutil.copytree(presets / "text", versions / "2")
    assert local_preset(trunk.preset) is None  # a download that was cut off
    (versions / "2.complete").touch()
    assert trunk.check(words) == []
    assert trunk.files() == (str(versions / "2"),)


def test_poolings_of_a_decoder(tmp_path: Path) -> None:
    decoder_preset(tmp_path)
    trunk = KerasHub(preset=str(tmp_path), length=6, windows=1, pooling="last")
    given = tokens_feature(trunk.reading(), "words", "t")
    texts = tf.constant(["ab ab", "a", ""])
    ids = Tokenizer(given)(texts).numpy()
    outputs = keras_hub.models.Backbone.from_preset(str(tmp_path))(
        {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    )
    lengths = [5, 3, 2]  # with the two special tokens
    expected = [row[length - 1] for row, length in zip(outputs, lengths, strict=True)]
    found = trunk.build((given,))({"words": ids}, training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)

    with pytest.raises(TrunkError, match=r"is a decoder: .*Expected `pooling: last`, `mean` or"):
        replace(trunk, pooling="first").build((given,))
    with pytest.raises(TrunkError, match=r"Its outputs: a single one, without a name\."):
        replace(trunk, pooling="pooled").build((given,))


def test_a_backbone_that_reads_more_than_text_is_refused(tmp_path: Path) -> None:
    backbone = keras_hub.models.WhisperBackbone(
        vocabulary_size=20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8,
        max_encoder_sequence_length=8, max_decoder_sequence_length=8, num_mels=4,
    )  # fmt: skip
    backbone.save_to_preset(str(tmp_path))
    decoder_preset(tmp_path / "gpt")
    given = tokens_feature(Tokens(preset=str(tmp_path / "gpt"), length=6), "words", "t")
    with pytest.raises(TrunkError, match="also reads encoder_features"):
        KerasHub(preset=str(tmp_path)).build((given,))
