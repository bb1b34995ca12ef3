"""The Pretrainer reads texts of training rows and of unlabelled rows, and says what it did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Batches, Preprocessing
from components.errors import RootstockError
from components.stage import Context, Silent
from components.training import pretraining
from components.training.pretrainer import Pretrainer, PretrainerInputs
from components.training.pretraining import Pretrained
from components.transform.batches import write_shard
from components.transform.preprocessing_file import save_preprocessing
from models.inputs.base import Feature
from models.inputs.numeric import NumericFeature
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.lazy import keras
from models.pretraining.language_model import LanguageModel
from models.trunks.keras_hub import KerasHub
from models.trunks.scratch import Scratch
from tests.pretrained_files import text_preset

TEXTS = {"train": (5, 6), "val": (7,), "test": (8,), "unlabelled": (9, 6)}
"""The only ordinary token of each text, by split."""


class Heard(Silent):
    def __init__(self) -> None:
        self.figures: dict[str, float | int | str] = {}
        self.warnings: list[str] = []

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def inputs(directory: Path, features: tuple[Feature, ...]) -> PretrainerInputs:
    for split, tokens in TEXTS.items():
        (directory / "batches" / split).mkdir(parents=True)
        ids = np.array([[2, token, 3, 0, 0, 0, 0, 0] for token in tokens], np.int32)
        columns = {"text": ids, "x": np.zeros(len(ids), np.float32)}
        write_shard(directory / "batches" / split / "part-00000.arrow", columns, features)
    (directory / "preprocessing").mkdir()
    save_preprocessing(features, directory / "preprocessing")
    return PretrainerInputs(
        Preprocessing(directory / "preprocessing"), Batches(directory / "batches")
    )


def test_texts_of_validation_and_test_rows_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_preset(tmp_path / "bert", layers=1)
    trunk = KerasHub(preset=str(tmp_path / "bert"), length=8, windows=1)
    feature = tokens_feature(trunk.reading(), "text", "text")  # type: ignore[arg-type]
    read: list[np.ndarray] = []
    done = Pretrained("masked", 3, 9, 12, 2, 1, (2.0, 2.5))

    def train(trunk: keras.Model, feature: Feature, texts: np.ndarray, *_: object) -> Pretrained:
        read.append(texts)
        return done

    monkeypatch.setattr(pretraining, "train_on_texts", train)
    heard = Heard()
    context = Context(tmp_path, tmp_path, observer=heard)
    stage = Pretrainer(trunk=trunk, method=LanguageModel())
    outputs = stage.run(inputs(tmp_path, (feature,)), context)
    assert [int(row[1]) for row in read[0]] == [5, 6, 9]  # 6 once
    assert outputs.trunk.record() == json.loads(json.dumps(done.__dict__))
    assert heard.figures["steps"] == "12 of 2 texts"
    assert heard.figures["held-back loss"] == "2.000 to 2.500 (1 texts)"
    assert "learned nothing from these texts" in heard.warnings[0]


def test_a_model_without_texts(tmp_path: Path) -> None:
    feature = NumericFeature(name="x", column="x", mean=0, deviation=1)
    context = Context(tmp_path, tmp_path)
    stage = Pretrainer(trunk=replace(Scratch(), width=4), method=LanguageModel())
    with pytest.raises(RootstockError, match="Expected a text input"):
        stage.run(inputs(tmp_path, (feature,)), context)
