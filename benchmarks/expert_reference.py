"""What experts should say, by the libraries that fitted them, for `expert_cost.py`.

`expected` gives float64 [rows, members x units] margins without a TensorFlow graph: LightGBM's raw
scores; scikit-learn's counts and TF-IDF with LIBLINEAR's coefficients; NumPy. Of n-grams, only
what a character is and the hash that chooses a bucket are ours; which n-grams a text has, how
often, and their idf come from scikit-learn and the training texts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any
from unittest import mock

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from components.experts import sparse_linear
from components.experts.base import FitRows
from components.experts.boosting import Boosting, FoldModel
from components.experts.ngrams import FREQUENT, as_bytes, character_table
from components.experts.out_of_fold import FOLDS
from components.experts.sparse_linear import FoldModels
from models.experts.base import Expert, ExpertInputs
from models.experts.linear import Linear
from models.experts.ngrams import (
    ALONE,
    BUDGET,
    CODE_BITS,
    CODE_POINTS,
    FIRST_FACTOR,
    POSITION_FACTOR,
    SECOND_FACTOR,
    HashedNgrams,
    Ngrams,
)
from models.experts.pairs import Pairs
from models.experts.trees import Trees
from models.inputs.base import Feature


@dataclass
class Learned:
    """What the libraries learned while experts were fitted.

    boosted: LightGBM's models of all folds, of one objective after another.
    linear: LIBLINEAR's, by member of an expert. texts: by member, the training rows that it learned
    from, by input.
    """

    boosted: list[FoldModel] = field(default_factory=list)
    linear: dict[str, FoldModels] = field(default_factory=dict)
    texts: dict[str, Mapping[str, list[bytes]]] = field(default_factory=dict)


@contextlib.contextmanager
def recorded() -> Iterator[Learned]:
    """Keeps the models of the libraries while experts are fitted in this process."""
    learned, fit, fold_models = Learned(), Boosting.fit, sparse_linear.fold_models

    def boosted(self: Boosting, *args: Any) -> FoldModel:
        learned.boosted.append(fit(self, *args))
        return learned.boosted[-1]

    def solved(
        member: str, rows: FitRows, features: Any, sample: np.ndarray, *args: Any
    ) -> FoldModels:
        texts = {n: v[sample] for n, v in rows.raw.items() if v.dtype == object}
        learned.texts[member] = {n: as_bytes(v) for n, v in texts.items()}
        learned.linear[member] = fold_models(member, rows, features, sample, *args)
        return learned.linear[member]

    with (
        mock.patch.object(Boosting, "fit", boosted),
        mock.patch("components.experts.ngrams.fold_models", solved),
        mock.patch("components.experts.pairs.fold_models", solved),
    ):
        yield learned


@dataclass(frozen=True)
class Rows:
    """What experts are asked, and what is known of the expert.

    features: of the model. arrays: the numbers of the expert.
    """

    inputs: ExpertInputs
    features: Sequence[Feature]
    learned: Learned
    arrays: Mapping[str, np.ndarray]


@singledispatch
def expected(expert: Expert, rows: Rows) -> np.ndarray:
    """The margins of some rows."""
    raise NotImplementedError(f"no reference for experts of kind {expert.kind}")


@expected.register
def _(expert: Trees, rows: Rows) -> np.ndarray:
    """The mean over folds of LightGBM's raw scores."""
    columns = [rows.inputs.raw[f.name] for f in rows.features if f.tabular == "number"]
    columns += [rows.inputs.features[f.name] for f in rows.features if f.tabular == "category"]
    values = np.stack(columns, axis=1).astype(np.float32)
    tasks = [
        rows.learned.boosted[i : i + FOLDS] for i in range(0, len(rows.learned.boosted), FOLDS)
    ]
    of_task = [np.mean([m.margins(values) for m in models], axis=0) for models in tasks]
    return np.concatenate(of_task, axis=1)


@expected.register
def _(expert: Linear, rows: Rows) -> np.ndarray:
    """The equations of `models.experts.linear` in float64."""
    result = rows.arrays["bias"].astype(np.float64)
    columns = [np.asarray(rows.inputs.features[n], np.float64) for n in expert.numbers]
    columns += [np.asarray(rows.inputs.representation)] if expert.representation else []
    columns += [np.asarray(rows.inputs.blocks)] if expert.blocks else []
    if columns:
        x = np.nan_to_num(np.concatenate([c.reshape(len(c), -1) for c in columns], axis=1))
        missing = [np.isnan(np.asarray(rows.inputs.raw[n]))[:, None] for n in expert.missing]
        scaled = (x - rows.arrays["mean"]) / rows.arrays["scale"]
        terms = np.concatenate([scaled, _pieces(x, rows.arrays), *missing], axis=1)
        result = result + terms @ rows.arrays["kernel"].astype(np.float64)
    if expert.categories:
        ids = np.stack([np.asarray(rows.inputs.features[n]) for n in expert.categories], axis=1)
        at = np.minimum(rows.arrays["first"] + ids, rows.arrays["last"])
        result = result + rows.arrays["table"].astype(np.float64)[at].sum(axis=1)
    return np.asarray(result)


@expected.register
def _(expert: Ngrams, rows: Rows) -> np.ndarray:
    """The mean over folds of LIBLINEAR's models, on scikit-learn's TF-IDF."""
    results, asked = [], list(rows.inputs.raw[expert.input])
    for place, member in enumerate(expert.members):
        trained = rows.learned.texts[member][expert.input]
        counts = _counts(expert, place, trained + asked)
        counted, rest = counts[: len(trained)], counts[len(trained) :]
        documents = counted.getnnz(axis=0)
        documents[0] = 0  # the bucket that means "no n-gram"
        used = np.flatnonzero(documents >= (2 if len(trained) >= FREQUENT else 1))
        tfidf = TfidfTransformer(sublinear_tf=True).fit(counted[:, used])
        results.append(_mean_margins(rows.learned.linear[member], tfidf.transform(rest[:, used])))
    return np.concatenate(results, axis=1)


@expected.register
def _(expert: Pairs, rows: Rows) -> np.ndarray:
    """The mean over folds of LIBLINEAR's models, on differences and products of TF-IDF vectors."""
    asked = [list(rows.inputs.raw[name]) for name in (expert.first, expert.second)]
    terms, numbers = [], []
    for place, member in enumerate(expert.members):
        trained = [rows.learned.texts[member][name] for name in (expert.first, expert.second)]
        sides = [_counts(expert, place, t + a) for t, a in zip(trained, asked, strict=True)]
        count = len(trained[0])
        both = sides[0][:count] + sides[1][:count]
        used = np.flatnonzero(both.getnnz(axis=0))
        tfidf = TfidfTransformer(sublinear_tf=True).fit(both)
        a, b = (tfidf.transform(side[count:]) for side in sides)
        product, in_both = a.multiply(b), (a > 0).multiply(b > 0).getnnz(axis=1)
        terms.append((abs(a - b)[:, used], product.tocsr()[:, used]))
        in_a, in_b = a.getnnz(axis=1), b.getnnz(axis=1)
        shares = [in_both / np.maximum(n, 1) for n in (in_a + in_b - in_both, in_a, in_b)]
        lengths = [in_a, in_b, in_a - in_b, in_a - in_both, in_b - in_both]
        numbers += [np.asarray(product.sum(axis=1)).ravel(), *shares, *lengths]
    curves = _pieces(np.stack(numbers, axis=1), rows.arrays)
    models = [rows.learned.linear[member] for member in expert.members]
    results = [
        _mean_margins(m, sparse.hstack([*t, curves])) for m, t in zip(models, terms, strict=True)
    ]
    return np.concatenate(results, axis=1)


def _pieces(x: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """float64 [rows, pieces]."""
    low, high = (arrays[name].astype(np.float64) for name in ("low", "high"))
    return np.clip((x[:, arrays["source"]] - low) / (high - low), 0, 1)


def _mean_margins(models: FoldModels, features: Any) -> np.ndarray:
    weights = models.weights.astype(np.float64).mean(axis=0)
    return np.asarray(features @ weights + models.intercepts.astype(np.float64).mean(axis=0))


def _counts(expert: HashedNgrams, place: int, texts: list[bytes]) -> Any:
    """scikit-learn's counts of n-grams, added up by bucket: CSR [texts, buckets].

    place: 0 for words, whose first bucket is never used; 1 for characters.
    """
    if place == 0:
        vectorizer = CountVectorizer(
            lowercase=False, ngram_range=(1, 2), tokenizer=str.split, token_pattern=None
        )
        counts = vectorizer.fit_transform(_spaced(_lower_case(t)) for t in texts)
        columns = _buckets(_hashes_of_words(vectorizer.get_feature_names_out()), expert.words)
        used = np.flatnonzero(columns)
    else:
        analyzer = "char" if expert.across_words else "char_wb"
        vectorizer = CountVectorizer(lowercase=False, ngram_range=(2, 5), analyzer=analyzer)
        counts = vectorizer.fit_transform(f" {_lower_case(t)} " for t in texts)
        hashes = _hashes_of_characters(vectorizer.get_feature_names_out())
        columns = _buckets(hashes, expert.characters)
        used = np.arange(len(columns))
    shape = len(columns), (expert.words, expert.characters)[place]
    return counts @ sparse.csr_matrix((np.ones(len(used)), (used, columns[used])), shape)


def _lower_case(text: bytes) -> str:
    """With a space for every separator."""
    codes = _codes(text[:BUDGET].decode("utf-8", "replace"))
    letters = (codes & 2**CODE_BITS - 1).astype("<u4")
    return str(letters.tobytes(), "utf-32-le")


def _spaced(text: str) -> str:
    """With spaces around all that is a word of its own."""
    alone = _codes(text) >> CODE_BITS == ALONE
    return "".join(f" {c} " if a else c for c, a in zip(text, alone, strict=True))


def _codes(text: str) -> np.ndarray:
    """int32: what each character is and does."""
    points = np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int32)
    known = character_table()[np.minimum(points, CODE_POINTS - 1)]
    return np.where(points < CODE_POINTS, known, ALONE << CODE_BITS | points)


def _hashes_of_words(ngrams: Sequence[str]) -> np.ndarray:
    """int32, of one word or two."""
    split = [n.split() for n in ngrams]
    words = sorted({word for ngram in split for word in ngram})
    lengths = np.array([len(w) for w in words])
    starts = np.cumsum(lengths) - lengths
    position = (np.arange(lengths.sum()) - np.repeat(starts, lengths)).astype(np.int32)
    mixed = _codes("".join(words)) * np.int32(FIRST_FACTOR) + position * np.int32(POSITION_FACTOR)
    mixed = (mixed ^ mixed >> 15) * np.int32(SECOND_FACTOR)
    of_words = np.add.reduceat(mixed ^ mixed >> 13, starts, dtype=np.int32)
    place = {word: i for i, word in enumerate(words)}
    first, last = (of_words[[place[n[at]] for n in split]] for at in (0, -1))
    return np.where([len(n) == 2 for n in split], first * np.int32(FIRST_FACTOR) + last, first)


def _hashes_of_characters(ngrams: Sequence[str]) -> np.ndarray:
    lengths = np.array([len(n) for n in ngrams])
    result = np.zeros(len(ngrams), np.int32)
    for length in np.unique(lengths):
        own = np.flatnonzero(lengths == length)
        codes = _codes("".join(ngrams[int(i)] for i in own)).reshape(len(own), length)
        hashes = codes[:, 0]
        for code in codes.T[1:]:
            hashes = hashes * np.int32(FIRST_FACTOR) + code
        result[own] = hashes
    return result


def _buckets(hashes: np.ndarray, buckets: int) -> np.ndarray:
    mixed = (hashes ^ hashes >> 15) * np.int32(SECOND_FACTOR)
    shift = np.uint32(33 - buckets.bit_length())
    return np.asarray(mixed.view(np.uint32) >> shift, np.int64)
