"""One AutoML library on one data set, run by the Python of its own environment for `auto_peers.py`.

    PYTHON auto_peer.py FOLDER MODEL MINUTES SEED CORES

FOLDER has `train.parquet`, `test.parquet` and `job.json` (see `auto_peers.Job`). It gets
`outputs.npz` (by label: a probability, [rows, classes] of them, or a number) and `took.json`.
Libraries that predict one label at a time get an equal part of the minutes for each. Nothing is
tuned: what a user would write first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def autogluon(job: dict[str, Any], folder: Path, preset: str, seconds: float, cores: int) -> Any:
    """A predictor for each label. Texts are given as they are: it makes n-grams of them."""
    from autogluon.tabular import TabularPredictor  # type: ignore[import-not-found]

    metrics = {"auc": "roc_auc", "mae": "mean_absolute_error", "rmse": "root_mean_squared_error"}
    predictors = {}

    def fit(label: dict[str, Any], train: pd.DataFrame) -> None:
        metric = metrics.get(label["metric"], label["metric"])
        predictor = TabularPredictor(
            label["name"],
            problem_type=label["kind"],
            eval_metric=metric,
            path=str(folder / f"autogluon-{label['name']}"),
            positive_class=label["positive"] if label["kind"] == "binary" else None,
            verbosity=1,
        )
        predictors[label["name"]] = predictor.fit(
            train, time_limit=seconds, presets=preset, num_cpus=cores
        )

    def predict(label: dict[str, Any], rows: pd.DataFrame) -> np.ndarray:
        predictor = predictors[label["name"]]
        if label["kind"] == "regression":
            return np.asarray(predictor.predict(rows), np.float64)
        shares = predictor.predict_proba(rows)
        shares.columns = shares.columns.astype(str)
        return _chosen(label, shares)

    return fit, predict


def flaml(job: dict[str, Any], seed: int, seconds: float, cores: int) -> Any:
    """FLAML's AutoML for each label. It reads no texts, so it gets TF-IDF of their words."""
    from flaml import AutoML  # type: ignore[import-not-found]

    metrics = {"auc": "roc_auc", "f1": "f1", "accuracy": "accuracy", "r2": "r2", "mae": "mae"}
    made: dict[str, Any] = {}

    def features(rows: pd.DataFrame, name: str, fit: bool) -> Any:
        if not job["texts"]:
            return rows[job["columns"]]
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        if fit:
            made[f"{name} texts"] = {
                c: TfidfVectorizer(min_df=2, sublinear_tf=True, max_features=20000).fit(rows[c])
                for c in job["texts"]
            }
        return hstack([v.transform(rows[c]) for c, v in made[f"{name} texts"].items()]).tocsr()

    def fit(label: dict[str, Any], train: pd.DataFrame) -> None:
        name, kind = label["name"], label["kind"]
        values = train[name] if kind == "regression" else train[name].astype(str)
        if kind == "binary":
            values = (values == label["positive"]).astype(int)
        metric = metrics[label["metric"]]
        if kind == "multiclass" and metric == "roc_auc":
            metric = "roc_auc_ovr"
        made[name] = AutoML()
        made[name].fit(
            features(train, name, fit=True),
            values,
            task="regression" if kind == "regression" else "classification",
            time_budget=seconds,
            metric=metric,
            n_jobs=cores,
            seed=seed,
            verbose=0,
        )

    def predict(label: dict[str, Any], rows: pd.DataFrame) -> np.ndarray:
        model, kind = made[label["name"]], label["kind"]
        inputs = features(rows, label["name"], fit=False)
        if kind == "regression":
            return np.asarray(model.predict(inputs), np.float64)
        shares = np.asarray(model.predict_proba(inputs))
        if kind == "binary":
            return np.asarray(shares[:, 1])
        return _chosen(label, pd.DataFrame(shares, columns=[str(c) for c in model.classes_]))

    return fit, predict


def ludwig(job: dict[str, Any], folder: Path, seed: int, seconds: float) -> Any:
    """Ludwig's AutoML for each label. It infers types, so classes are given as texts."""
    from ludwig.api import LudwigModel  # type: ignore[import-not-found]
    from ludwig.automl import auto_train  # type: ignore[import-not-found]

    models: dict[str, Any] = {}

    def fit(label: dict[str, Any], train: pd.DataFrame) -> None:
        name = label["name"]
        if label["kind"] != "regression":
            train = train.assign(**{name: "class " + train[name].astype(str)})
        found = auto_train(
            dataset=train,
            target=name,
            time_limit_s=seconds,
            output_directory=str(folder / f"ludwig-{name}"),
            random_seed=seed,
        )
        checkpoint = found.experiment_analysis.best_checkpoint
        if checkpoint is None:
            raise SystemExit("Ludwig trained no model in its time")
        with checkpoint.as_directory() as directory:
            models[name] = LudwigModel.load(str(Path(directory) / "model"))

    def predict(label: dict[str, Any], rows: pd.DataFrame) -> np.ndarray:
        name = label["name"]
        found, _ = models[name].predict(dataset=rows)
        if label["kind"] == "regression":
            return np.asarray(found[f"{name}_predictions"], np.float64)
        start = f"{name}_probabilities_"
        columns = [c for c in found.columns if c.startswith(f"{start}class ")]
        shares = found[columns].rename(columns=lambda c: c.removeprefix(f"{start}class "))
        return _chosen(label, shares.astype(np.float64))

    return fit, predict


def _chosen(label: dict[str, Any], shares: pd.DataFrame) -> np.ndarray:
    """[rows] of the positive class, or [rows, classes] in the order of the job."""
    if label["kind"] == "binary":
        return np.asarray(shares[label["positive"]], np.float64)
    return np.asarray(shares.reindex(columns=label["classes"], fill_value=0.0), np.float64)


def main() -> None:
    folder, model, minutes, seed, cores = Path(sys.argv[1]), *sys.argv[2:6]
    job = json.loads((folder / "job.json").read_text())
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    inputs, labels = [*job["columns"], *job["texts"]], job["labels"]
    for column in inputs:
        if train[column].dtype == object and model == "flaml":
            train[column], test[column] = (f[column].astype(str) for f in (train, test))
    began = time.perf_counter()
    seconds = 60 * float(minutes) / len(labels)
    if model == "flaml":
        fit, predict = flaml(job, int(seed), seconds, int(cores))
    elif model == "ludwig":
        fit, predict = ludwig(job, folder, int(seed), seconds)
    else:
        preset = {"autogluon_medium": "medium_quality", "autogluon_best": "best_quality"}[model]
        fit, predict = autogluon(job, folder, preset, seconds, int(cores))
    for label in labels:
        own = train[[*inputs, label["name"]]].dropna(subset=[label["name"]])
        fit(label, own)
    took = {"seconds": round(time.perf_counter() - began, 1)}
    outputs = {label["name"]: predict(label, test[inputs]) for label in labels}
    one, times = test[inputs].iloc[:1], []
    for _ in range(5):
        at = time.perf_counter()
        for label in labels:
            predict(label, one)
        times.append(time.perf_counter() - at)
    took["ms_1"] = round(1000 * float(np.median(times)), 2)
    np.savez(folder / "outputs.npz", allow_pickle=False, **outputs)
    (folder / "took.json").write_text(json.dumps(took))


if __name__ == "__main__":
    main()
