"""The peers of `best_answer.py`: the ten lines that a user would try first.

Each is fitted on the training rows of a problem, one model per task, and gives the outputs of all
tasks for a frame of rows: float [rows] (a probability or a number) or [rows, classes].
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
from best_answer_data import IMAGE, MINILM, MOBILENET, Label, Problem
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

Outputs = Mapping[str, np.ndarray]
Predict = Callable[[pd.DataFrame], Outputs]
Features = Callable[[pd.DataFrame], Any]
MOST_PIXELS = 400
"""Images of at most so many values are also columns."""


class Peer(ABC):
    """keras: whether each trial needs a process of its own."""

    keras: ClassVar[bool] = False

    @abstractmethod
    def suits(self, problem: Problem) -> bool: ...

    @abstractmethod
    def fit(self, problem: Problem, seed: int) -> Predict: ...


class PerTask(Peer):
    """A scikit-learn model for each task; for each label of a multilabel task."""

    def fit(self, problem: Problem, seed: int) -> Predict:
        read = self.features(problem)
        x = read(problem.train)
        models: dict[str, list[Any]] = {}
        for label in problem.labels:
            y = label.encode(problem.train, label.classes(problem.train))
            columns = [y] if y.ndim == 1 else list(y.T)
            models[label.name] = [
                self._fitted(label, problem, seed, x[~np.isnan(c)], c[~np.isnan(c)])
                for c in columns
            ]

        def predict(frame: pd.DataFrame) -> Outputs:
            rows = read(frame)
            answers = {task: [_outputs(m, rows) for m in of] for task, of in models.items()}
            return {t: a[0] if len(a) == 1 else np.stack(a, 1) for t, a in answers.items()}

        return predict

    def _fitted(self, label: Label, problem: Problem, seed: int, x: Any, y: np.ndarray) -> Any:
        if label.kind != "regression" and len(np.unique(y)) < 2:
            return DummyClassifier().fit(x, y)
        return self.model(label, problem, seed).fit(x, y)

    @abstractmethod
    def features(self, problem: Problem) -> Features: ...

    @abstractmethod
    def model(self, label: Label, problem: Problem, seed: int) -> Any: ...


def _outputs(model: Any, x: Any) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        p: np.ndarray = model.predict_proba(x)
        if p.shape[1] == 1:  # all training rows are of one class
            return np.full(len(p), float(model.classes_[0]))
        return p[:, 1] if p.shape[1] == 2 else p
    if hasattr(model, "decision_function"):  # a support vector machine: no probability
        margins = np.asarray(model.decision_function(x))
        if margins.ndim == 1:
            return np.asarray(1 / (1 + np.exp(-margins)))
        shifted = np.exp(margins - margins.max(1, keepdims=True))
        return np.asarray(shifted / shifted.sum(1, keepdims=True))
    return np.asarray(model.predict(x))


class Majority(PerTask):
    """Shares of the classes, or the mean."""

    def suits(self, problem: Problem) -> bool:
        return True

    def features(self, problem: Problem) -> Features:
        return lambda frame: np.zeros((len(frame), 1))

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        return DummyRegressor() if label.kind == "regression" else DummyClassifier()


class OnColumns(PerTask):
    """Reads the columns, or the pixels of tiny images, which are columns too."""

    def suits(self, problem: Problem) -> bool:
        return bool(problem.columns) or (
            problem.has_images and _pixels(problem.train[IMAGE].iloc[0]).size <= MOST_PIXELS
        )

    def features(self, problem: Problem) -> Features:
        if problem.has_images:
            return lambda f: np.stack([_pixels(b).ravel() for b in f[IMAGE]]).astype(np.float64)
        encoder = self.encoder(problem).fit(problem.train[list(problem.columns)])
        return lambda frame: encoder.transform(frame[list(problem.columns)])

    @abstractmethod
    def encoder(self, problem: Problem) -> Any: ...


class Linear(OnColumns):
    """One-hot categories and standardised numbers in logistic or ridge regression."""

    def encoder(self, problem: Problem) -> Any:
        words, numbers = _by_type(problem)
        one_hot = OneHotEncoder(handle_unknown="ignore")
        scaled = make_pipeline(SimpleImputer(), StandardScaler())
        return make_column_transformer((one_hot, words), (scaled, numbers))

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        model = Ridge() if label.kind == "regression" else LogisticRegression(max_iter=1000)
        return make_pipeline(StandardScaler(), model) if problem.has_images else model


class Trees(OnColumns):
    """Gradient boosting reads categories as numbers of categories, at most 255 of them."""

    def encoder(self, problem: Problem) -> Any:
        words, numbers = _by_type(problem)
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=254,
        )
        return make_column_transformer((ordinal, words), ("passthrough", numbers))

    def categories(self, problem: Problem) -> list[int]:
        return [] if problem.has_images else list(range(len(_by_type(problem)[0])))


class LightGBM(Trees):
    """300 trees of 31 leaves, rate 0.05."""

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        import lightgbm

        make = lightgbm.LGBMRegressor if label.kind == "regression" else lightgbm.LGBMClassifier
        return _Lgbm(
            make(
                n_estimators=300, learning_rate=0.05, num_leaves=31, random_state=seed, verbose=-1
            ),
            self.categories(problem),
        )


class _Lgbm:
    """LightGBM on arrays, with the indices of categorical columns."""

    def __init__(self, model: Any, categories: list[int]) -> None:
        self.model, self.categories = model, categories
        if hasattr(model, "predict_proba"):
            self.predict_proba = model.predict_proba

    def fit(self, x: np.ndarray, y: np.ndarray) -> _Lgbm:
        self.model.fit(x.astype(np.float64), y, categorical_feature=self.categories)
        return self

    def predict(self, x: np.ndarray) -> Any:
        return self.model.predict(x)


class HistGradientBoosting(Trees):
    """Scikit-learn's, with its default settings."""

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        regression = label.kind == "regression"
        make = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        return make(random_state=seed, categorical_features=self.categories(problem))


class Tfidf(PerTask):
    """TF-IDF and a linear support vector machine, or ridge regression.

    Of two texts it also reads the absolute differences and the products.
    """

    settings: ClassVar[Mapping[str, Any]]

    def suits(self, problem: Problem) -> bool:
        return bool(problem.texts)

    def features(self, problem: Problem) -> Features:
        vectors = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **self.settings)
        vectors.set_params(min_df=2 if len(problem.train) >= 2000 else 1)
        vectors.fit(pd.concat([problem.train[c] for c in problem.texts]))

        def read(frame: pd.DataFrame) -> Any:
            parts = [vectors.transform(frame[c]) for c in problem.texts]
            if len(parts) == 2:
                parts += [abs(parts[0] - parts[1]), parts[0].multiply(parts[1])]
            return sp.hstack(parts, format="csr")

        return read

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        return RidgeCV(np.logspace(-2, 2, 5)) if label.kind == "regression" else LinearSVC()


class TfidfWords(Tfidf):
    """Words and pairs of words."""

    settings: ClassVar[Mapping[str, Any]] = {"ngram_range": (1, 2)}


class TfidfCharacters(Tfidf):
    """Two to five characters inside words."""

    settings: ClassVar[Mapping[str, Any]] = {"analyzer": "char_wb", "ngram_range": (2, 5)}


class MobileNet(PerTask):
    """Cross-validated logistic regression on the pooled last layer of a frozen MobileNetV2."""

    keras = True

    def __init__(self, data: Path) -> None:
        self.data = data

    def suits(self, problem: Problem) -> bool:
        return problem.has_images and bool(problem.model)

    def features(self, problem: Problem) -> Features:
        import keras

        trunk = keras.applications.MobileNetV2(
            input_shape=(96, 96, 3),
            alpha=0.5,
            include_top=False,
            weights=str(self.data / MOBILENET),
            pooling="avg",
        )

        def read(frame: pd.DataFrame) -> np.ndarray:
            features = []
            for start in range(0, len(frame), 512):
                part = frame[IMAGE].iloc[start : start + 512]
                images = np.stack([_pixels(b, 96) for b in part]).astype(np.float32)
                features.append(trunk.predict(images / 127.5 - 1, batch_size=64, verbose=0))
            return np.concatenate(features).astype(np.float64)

        return read

    def model(self, label: Label, problem: Problem, seed: int) -> Any:
        search = LogisticRegressionCV(
            Cs=np.logspace(-5, 0, 6),
            cv=3,
            scoring="neg_log_loss",
            max_iter=300,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
        return make_pipeline(StandardScaler(), search)


class KerasPeer(Peer):
    """One network with an output per task, trained on cross-entropy or squared error."""

    keras = True
    epochs: ClassVar[int]
    learning_rate: ClassVar[float]
    batch_size: ClassVar[int] = 32
    least_steps: ClassVar[int] = 0

    def fit(self, problem: Problem, seed: int) -> Predict:
        import keras

        keras.utils.set_random_seed(seed)
        inputs, features, read = self.network(problem)
        heads, labels, weights, losses = {}, {}, {}, {}
        scales: dict[str, tuple[float, float]] = {}
        for label in problem.labels:
            y = label.encode(problem.train, label.classes(problem.train))
            known = ~np.isnan(y if y.ndim == 1 else y[:, 0])
            units = 1 if y.ndim == 1 else y.shape[1]
            loss, activation = "binary_crossentropy", "sigmoid"
            if label.kind == "multiclass":
                units, loss = int(np.nanmax(y)) + 1, "sparse_categorical_crossentropy"
                activation = "softmax"
            elif label.kind == "regression":
                loss, activation = "mean_squared_error", "linear"
                scales[label.name] = float(np.nanmean(y)), float(np.nanstd(y))
                y = (y - scales[label.name][0]) / scales[label.name][1]
            heads[label.name] = keras.layers.Dense(units, activation, name=label.name)(features)
            labels[label.name] = np.nan_to_num(y).reshape(len(y), -1)
            weights[label.name], losses[label.name] = known.astype(np.float32), loss
        model = keras.Model(inputs, heads)
        per_epoch = -(-len(problem.train) // self.batch_size)
        epochs = max(self.epochs, -(-self.least_steps // per_epoch))
        rate = keras.optimizers.schedules.PolynomialDecay(
            self.learning_rate, epochs * per_epoch, 0.0
        )
        model.compile(keras.optimizers.AdamW(rate), losses)
        model.fit(
            read(problem.train),
            labels,
            sample_weight=weights,
            epochs=epochs,
            batch_size=self.batch_size,
            verbose=0,
        )

        def predict(frame: pd.DataFrame) -> Outputs:
            outputs = model.predict(read(frame), batch_size=128, verbose=0)
            for task, (mean, deviation) in scales.items():
                outputs[task] = outputs[task] * deviation + mean
            return {t: o[:, 0] if o.shape[1] == 1 else o for t, o in outputs.items()}

        return predict

    @abstractmethod
    def network(self, problem: Problem) -> tuple[Any, Any, Features]:
        """Its inputs, its features, and how rows become its inputs."""


class ConvolutionalNet(KerasPeer):
    """The small network of a tutorial: three blocks of convolution and pooling, dropout."""

    epochs, learning_rate, batch_size = 15, 2e-3, 64

    def suits(self, problem: Problem) -> bool:
        return problem.has_images

    def network(self, problem: Problem) -> tuple[Any, Any, Features]:
        import keras

        layers = keras.layers
        shape = _small(problem.train[IMAGE].iloc[0]).shape
        inputs = keras.Input(shape)
        x = layers.RandomFlip("horizontal")(inputs) if shape[0] > 8 else inputs
        x = layers.Rescaling(1 / 255)(x)
        for filters in (32, 64, 128) if shape[0] >= 32 else (32, 64):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            # 0.9: with Keras's 0.99, 300 steps are too few for the statistics of inference.
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
            x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
        return inputs, x, lambda frame: np.stack([_small(b) for b in frame[IMAGE]])


class FineTunedMiniLM(KerasPeer):
    """KerasHub's BERT with the weights of all-MiniLM-L6-v2, all layers trained."""

    epochs, learning_rate, batch_size, least_steps = 3, 1e-4, 16, 200
    length: ClassVar[int] = 64

    def suits(self, problem: Problem) -> bool:
        return bool(problem.texts and problem.model)

    def network(self, problem: Problem) -> tuple[Any, Any, Features]:
        import keras
        import keras_hub

        backbone = keras_hub.models.BertBackbone.from_preset(str(MINILM))
        tokenizer = keras_hub.models.BertTokenizer.from_preset(str(MINILM))
        packer = keras_hub.layers.MultiSegmentPacker(
            self.length,
            start_value=tokenizer.cls_token_id,
            end_value=tokenizer.sep_token_id,
            pad_value=tokenizer.pad_token_id,
        )

        def read(frame: pd.DataFrame) -> dict[str, np.ndarray]:
            tokens, segments = packer(tuple(tokenizer(frame[c].tolist()) for c in problem.texts))
            ids = np.asarray(tokens)
            mask = (ids != tokenizer.pad_token_id).astype(np.int32)
            return {"token_ids": ids, "segment_ids": np.asarray(segments), "padding_mask": mask}

        states, mask = backbone.output["sequence_output"], backbone.input["padding_mask"]
        pooled = keras.layers.GlobalAveragePooling1D()(states, mask=mask)
        return backbone.input, keras.layers.Dropout(0.1)(pooled), read


def peers(data: Path) -> dict[str, Peer]:
    """All peers by name, the cheapest first."""
    return {
        "majority": Majority(),
        "linear": Linear(),
        "lightgbm": LightGBM(),
        "hist_gradient_boosting": HistGradientBoosting(),
        "tfidf_words": TfidfWords(),
        "tfidf_characters": TfidfCharacters(),
        "mobilenet_logistic": MobileNet(data),
        "keras_cnn": ConvolutionalNet(),
        "minilm_fine_tuned": FineTunedMiniLM(),
    }


def _by_type(problem: Problem) -> tuple[list[str], list[str]]:
    """Columns of words, and columns of numbers."""
    frame = problem.train[list(problem.columns)]
    numbers = list(frame.select_dtypes("number").columns)
    return [c for c in frame.columns if c not in numbers], numbers


def _pixels(content: bytes, side: int | None = None) -> np.ndarray:
    """uint8 [height, width, channels]: 1 channel of a grey image as it is; 3 if resized."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if side is not None:
        image = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _small(content: bytes) -> np.ndarray:
    """At most 96 x 96 pixels."""
    pixels = _pixels(content)
    return pixels if max(pixels.shape) <= 96 else _pixels(content, 96)
