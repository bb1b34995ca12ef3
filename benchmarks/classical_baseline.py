"""A classical baseline on the split that the pipeline used: the same rows and columns.

    python benchmarks/classical_baseline.py SPEC [--data DIR]

Uses TF-IDF and a linear model for text, gradient boosting for columns, and a linear model on pixels
for images. Run the pipeline first: this reads its examples from the store.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from components.artifacts import Examples
from components.labels.encoding import encode, resolve
from models.inputs.categorical import CategoricalInput
from models.inputs.image import ImageInput
from models.inputs.text import TextInput
from models.tasks.binary import BinaryTask
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec
from pipeline.store.place import local
from pipeline.store.store import Store


def features(spec: Spec, table: pa.Table) -> Any:
    """The inputs of a spec: texts, a data frame, or a matrix of pixels."""
    images = [i for i in spec.inputs.values() if isinstance(i, ImageInput)]
    if images:
        column = table.column(images[0].column).to_pylist()
        pixels = [np.asarray(Image.open(io.BytesIO(b)).convert("RGB")) for b in column]
        return np.stack(pixels).reshape(len(pixels), -1) / np.float32(255)
    frame = table.select([i.column for i in spec.inputs.values()]).to_pandas()
    texts = [i.column for i in spec.inputs.values() if isinstance(i, TextInput)]
    if texts:
        return frame[texts].fillna("").agg(" ".join, axis=1)
    return frame


def classifier(spec: Spec) -> Pipeline:
    """A simple model that is usually good for this kind of input."""
    kinds = {type(i) for i in spec.inputs.values()}
    if TextInput in kinds:
        return make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(C=10))
    if ImageInput in kinds:
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=100))
    names = [i.column for i in spec.inputs.values() if isinstance(i, CategoricalInput)]
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder = make_column_transformer((unknown, names), remainder="passthrough")
    return make_pipeline(encoder, HistGradientBoostingClassifier(random_state=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    spec, _ = load_spec(args.spec, args.overrides, {"DATA": args.data} if args.data else {})
    entry = Store(local(spec.store)).latest("ExampleGen")
    if entry is None:
        raise SystemExit(f"{spec.store}: no examples yet. Do: rootstock run {args.spec}")
    examples = Examples(entry.path / "examples", entry.outputs["examples"]["digest"])
    train, test = examples.read("train"), examples.read("test")
    x_train, x_test = features(spec, train), features(spec, test)
    print(f"{'task':12} {'AUC':>7} {'F1':>7} {'accuracy':>9} {'seconds':>8}")
    for task in spec.tasks.values():
        if not isinstance(task, BinaryTask):
            continue
        target = resolve(task, train.column(task.label))
        y_train = encode(target, train.column(task.label), len(train))
        y_test = encode(target, test.column(task.label), len(test))
        seen, judged = ~np.isnan(y_train), ~np.isnan(y_test)
        began = time.perf_counter()
        model = classifier(spec).fit(x_train[seen], y_train[seen])
        score = model.predict_proba(x_test[judged])[:, 1]
        seconds = time.perf_counter() - began
        y, predicted = y_test[judged], score >= 0.5
        print(
            f"{task.name:12} {roc_auc_score(y, score):7.4f} {f1_score(y, predicted):7.4f}"
            f" {accuracy_score(y, predicted):9.4f} {seconds:8.1f}"
        )


if __name__ == "__main__":
    main()
