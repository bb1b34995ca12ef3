"""Pretraining on texts: the loss is right, it falls, and a killed run gives the same weights."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.errors import RootstockError
from components.stage import Context, Silent
from components.training.pretraining import Pretrained, different_texts, train_on_texts
from components.training.steps import REPORTED
from components.training.token_tasks import NextToken
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.inputs.tokens import TokensFeature
from models.lazy import keras
from models.pretraining.language_model import FEWEST_TEXTS, LanguageModel
from models.pretraining.layers.language_head import LanguageHead, embedding_of, token_losses
from models.trunks.base import Trunk
from models.trunks.keras_hub import KerasHub
from models.trunks.layers.token_outputs import token_model
from models.trunks.sources.adapted import Adapted, save_adapted
from tests.pretrained_files import decoder_preset, text_preset

METHOD = LanguageModel(steps=3 * REPORTED, rows=16, learning_rate=0.02)


class Killed(Exception):
    pass


class Kills(Silent):
    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        if done == 2 * REPORTED:
            raise Killed


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(0)
    text_preset(directory / "bert", layers=1)
    decoder_preset(directory / "gpt")
    return {"bert": directory / "bert", "gpt": directory / "gpt"}


def trunk_of(presets: dict[str, Path], name: str) -> tuple[Trunk, TokensFeature]:
    trunk = KerasHub(preset=str(presets[name]), length=8, windows=1)
    reading = trunk.reading()
    return trunk, tokens_feature(reading, "text", "text")  # type: ignore[arg-type]


def texts(feature: TokensFeature, rows: int = 400) -> np.ndarray:
    """Texts in which each token is one or two after the one before it."""
    rng, low = np.random.default_rng(0), 5
    ids = np.full((rows, 8), feature.pad, np.int32)
    size = feature.vocabulary_size - low
    for row in ids:
        count, first = rng.integers(3, 7), rng.integers(size)
        row[1 : 1 + count] = low + (first + np.cumsum(rng.integers(1, 3, count))) % size
        row[0], row[1 + count] = feature.start, feature.end
    return different_texts([ids], feature.pad)


def trained(
    trunk: Trunk, feature: TokensFeature, scratch: Path, observer: Silent
) -> tuple[keras.Model, Pretrained]:
    scratch.mkdir(exist_ok=True)
    keras.utils.set_random_seed(3)
    model = trunk.build((feature,))
    context = Context(scratch, scratch, observer=observer)
    done = train_on_texts(model, feature, texts(feature), METHOD, 3, context)
    return model, done


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("bert", "masked"), ("gpt", "causal")])
def test_the_loss_falls_and_a_killed_run_gives_the_same_trunk(
    presets: dict[str, Path], tmp_path: Path, name: str, kind: str
) -> None:
    trunk, feature = trunk_of(presets, name)
    whole, done = trained(trunk, feature, tmp_path / "whole", Silent())
    assert done.kind == kind
    assert done.losses[1] < 0.9 * done.losses[0]
    with pytest.raises(Killed):
        trained(trunk, feature, tmp_path / "killed", Kills())
    resumed, again = trained(trunk, feature, tmp_path / "killed", Silent())
    assert again == done
    for v, expected in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(v, expected)

    (tmp_path / "saved").mkdir()
    save_adapted(whole, tmp_path / "saved")
    adapted = Adapted(trunk=trunk, directory=tmp_path / "saved").build((feature,))
    ids = {"text": texts(feature)[:20]}
    np.testing.assert_array_equal(adapted(ids), whole(ids))
    assert np.abs(np.asarray(adapted(ids)) - trunk.build((feature,))(ids)).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_the_loss_is_the_cross_entropy_at_the_positions(
    presets: dict[str, Path], name: str
) -> None:
    trunk, feature = trunk_of(presets, name)
    model = trunk.build((feature,))
    embedding = embedding_of(model, feature.vocabulary_size)
    assert embedding is not None
    head, tokens = LanguageHead(embedding, transforms=name == "bert"), token_model(model)
    ids = texts(feature)[:6]
    task = NextToken(feature.pad).task(ids, np.random.default_rng(0))
    outputs = tokens(ids)
    losses = np.asarray(token_losses(head(outputs, task.positions), task.tokens))

    x = np.asarray(outputs, np.float64).reshape(-1, outputs.shape[-1])[task.positions]
    logits = x @ np.asarray(embedding.embeddings, np.float64).T
    if head.transform is not None:
        dense, norm = head.transform._intermediate_dense, head.transform._intermediate_layer_norm
        x = x @ np.asarray(dense.kernel)
        x = x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + norm.epsilon)
        logits = x @ np.asarray(embedding.embeddings, np.float64).T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(len(task.tokens)), task.tokens])
    np.testing.assert_allclose(losses, expected, atol=2e-5)


def test_equal_and_empty_texts_are_left_out() -> None:
    windows = np.array([[[1, 2, 0], [0, 0, 0]], [[1, 2, 0], [3, 1, 0]]], np.int32)
    assert different_texts([windows, windows[1]], 0).tolist() == [[1, 2, 0], [3, 1, 0]]


def test_too_few_texts(presets: dict[str, Path], tmp_path: Path) -> None:
    trunk, feature = trunk_of(presets, "bert")
    model, few = trunk.build((feature,)), texts(feature)[: FEWEST_TEXTS - 1]
    with pytest.raises(RootstockError, match=r"at least 100 different texts .* Received: 99"):
        train_on_texts(model, feature, few, METHOD, 0, Context(tmp_path, tmp_path))


@pytest.mark.slow
def test_an_encoder_without_a_mask_token(presets: dict[str, Path], tmp_path: Path) -> None:
    trunk, feature = trunk_of(presets, "bert")
    _, gpt = trunk_of(presets, "gpt")
    foreign = replace(gpt, name=feature.name)
    model = trunk.build((feature,))
    with pytest.raises(RootstockError, match="GPT2Tokenizer has no mask token"):
        train_on_texts(model, foreign, texts(feature), METHOD, 0, Context(tmp_path, tmp_path))
