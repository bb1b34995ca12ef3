"""Unlabelled rows from a file to a served model: their texts pretrain the trunk, and nothing else
reads them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import UNLABELLED
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.export.keras_model import load_keras
from components.training.rows import load_training_data
from models.lazy import keras, tf
from pipeline.flow import pipeline, prepare
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.spec.validate import check
from pipeline.store.store import Store
from tests.pretrained_files import decoder_preset, text_preset
from tests.pretrained_words import WORDS

SPEC = """
name: letters
data:
  sources:
    - {{format: csv, path: labelled.csv}}
    - {{format: csv, path: texts.csv, split: unlabelled}}
  key: [text]
  splits: {{train: 0.5, val: 0.25, test: 0.25}}
  duplicates: {{columns: [text]}}
inputs: {{text: {{kind: text}}}}
tasks: {{first: {{kind: binary, label: label, positive: [a]}}}}
model:
  trunk: {{name: keras_hub, preset: {preset}, length: 12, windows: 1}}
  pretraining: {{name: language_model, steps: 12, rows: 16, learning_rate: 0.01}}
  transfer: {transfer}
  experts: none
training: {{epochs: 2}}
tracking: {{backend: none}}
"""
PRESETS = {"bert": (text_preset, WORDS), "gpt": (decoder_preset, list("abcdefgh"))}


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "transfer"), [("bert", "frozen"), ("gpt", "lora")])
def test_unlabelled_texts_reach_the_served_trunk_and_nothing_else(
    tmp_path: Path, preset: str, transfer: str
) -> None:
    keras.utils.set_random_seed(0)
    save, words = PRESETS[preset]
    save(tmp_path / preset)
    rng = np.random.default_rng(0)
    texts = sorted({" ".join(rng.choice(words, 4)) for _ in range(400)})
    rng.shuffle(texts)
    labelled, others = texts[:120], [*texts[120:300], "a new text", *texts[:120:4]]
    rows = "".join(f"{t},{'a' if t < 'e' else 'b'}\n" for t in labelled)
    (tmp_path / "labelled.csv").write_text("text,label\n" + rows)
    (tmp_path / "texts.csv").write_text("text,source\n" + "".join(f"{t},web\n" for t in others))
    file = tmp_path / "letters.yaml"
    file.write_text(SPEC.format(preset=f"./{preset}", transfer=transfer))
    spec, _ = load_spec(file)
    assert check(spec).problems == []

    with Runner(Store(Path(spec.store)).open()) as runner:
        data = prepare(spec, runner)
        result = pipeline(spec, runner)
    examples, stages = data.examples, {r.stage: r for r in runner.results}
    by_split = {s: set(examples.read(s)["text"].to_pylist()) for s in examples.splits()}
    assert by_split.pop(UNLABELLED) == set(others) - set(labelled)  # copies of test rows are gone
    assert set.union(*by_split.values()) == set(labelled)
    _, training = load_training_data(data, tuple(spec.tasks.values()), None)
    assert training.val is not None
    assert len(training.train) == len(by_split["train"])
    assert len(training.val) == len(by_split["val"])
    learned = dict(stages["Pretrainer"].figures)["texts"]
    count = len(by_split["train"]) + len(set(others) - set(labelled))
    assert learned == count - round(0.1 * count)

    record = json.loads((result.trained.path / "history.json").read_text())["pretraining"]
    assert (record["steps"], record["texts"]) == (12, learned)
    adapted = data.adapted
    assert adapted is not None
    rebuilt = load_keras(result.trained)
    raw = raw_inputs(examples.read("test"), rebuilt.record.features)
    served = tf.saved_model.load(str(result.model.saved_model))
    strings = {n: tf.constant(v, tf.string) for n, v in raw.items()}
    answers = served.signatures["serving_default"](**strings)["first"]
    np.testing.assert_allclose(answers, np.asarray(rebuilt(raw)["first"]), atol=1e-5)

    with np.load(adapted.path / "weights.npz") as arrays:
        embedding = next(a for n, a in arrays.items() if "token_embedding" in n)
    of_model = [np.asarray(w) for w in rebuilt.model.weights]
    assert any(w.shape == embedding.shape and np.array_equal(w, embedding) for w in of_model)


def test_a_trunk_without_tokens_and_unlabelled_rows_without_pretraining(tmp_path: Path) -> None:
    text_preset(tmp_path / "bert", layers=1)
    (tmp_path / "labelled.csv").write_text("text,label\nfree,a\nwin,b\n")
    (tmp_path / "texts.csv").write_text("body\ncall me\n")
    file = tmp_path / "letters.yaml"
    content = SPEC.format(preset="./bert", transfer="fine_tune")
    file.write_text(content)
    (problem,) = check(load_spec(file)[0]).problems
    assert "needs the column of an input: 'text'. Columns there: body" in problem
    (tmp_path / "texts.csv").write_text("text\ncall me\n")
    (problem,) = check(load_spec(file)[0]).problems
    assert "at least 100 different texts. Received: 3 rows" in problem
    file.write_text("\n".join(x for x in content.splitlines() if "pretraining" not in x))
    assert any("no model.pretraining" in note for note in check(load_spec(file)[0]).notes)
    trunk = content.replace("keras_hub, preset: ./bert, length: 12, windows: 1", "scratch")
    file.write_text(trunk.replace("  transfer: fine_tune\n", ""))
    with pytest.raises(
        RootstockError, match="a scratch trunk has no pretrained embeddings of tokens"
    ):
        load_spec(file)
