"""Fits experts of kind `ngrams`: TF-IDF of a text input's n-grams, with linear models."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, final

from components.data.lazy import np
from components.experts.base import ExpertKind, FitRows, Fitted, Report
from components.experts.sparse_linear import groups, solved
from models.experts.ngrams import (
    ALONE,
    BUDGET,
    CODE_BITS,
    CODE_POINTS,
    IN_WORD,
    PIECE,
    SEPARATOR,
    SPACE,
    Analyzer,
    Ngrams,
)
from models.inputs.base import Feature
from models.inputs.text import TextInput
from models.lazy import tf

ROWS, BYTES = 50_000, 16_000_000
"""Above so many rows, or bytes of text, an expert learns from a sample."""
SHORT = 300
"""Mean bytes of a text up to which n-grams of characters reach over spaces. They are then better
(SMS: AUC .9989 against .9978); for e-mails they are no better and almost twice as many."""
HANGUL = range(0xAC00, 0xD7A4)
SMALLEST, LARGEST = 2**18, 2**20
TABLE = 16_000_000
"""Bytes of an expert's tables in the SavedModel, if more than the smallest number of buckets."""
FREQUENT = 2000
"""Rows from which n-grams of a single text are ignored."""


@final
class NgramsKind(ExpertKind):
    """Two experts for each text input, `ngrams.<input>.words` and `.characters`."""

    most_outputs = 100

    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        return any(_is_text(f) for f in features)

    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        for feature in rows.features:
            if _is_text(feature):
                texts = _as_bytes(rows.raw[feature.name])
                yield _fitted(rows, feature.name, texts, "words", report)
                yield _fitted(rows, feature.name, texts, "characters", report)


@cache
def character_table() -> np.ndarray:
    """int32 [CODE_POINTS]: the array `characters` of `models.experts.ngrams.Ngrams`."""
    table = np.empty(CODE_POINTS, np.int32)
    for code in range(CODE_POINTS):
        character = chr(code)
        category = unicodedata.category(character)
        if character.isspace() or category in ("Cc", "Cf", "Zs", "Zl", "Zp"):
            table[code] = SEPARATOR << CODE_BITS | SPACE
            continue
        # Ideographs and kana have no spaces between words. Hangul has.
        wide = category == "Lo" and unicodedata.east_asian_width(character) == "W"
        symbol = category[0] not in "LMN" and character != "_"
        alone = symbol or (wide and code not in HANGUL)
        table[code] = (ALONE if alone else IN_WORD) << CODE_BITS | ord(character.lower()[0])
    return table


def _is_text(feature: Feature) -> bool:
    return feature.kind in TextInput.feature_kinds


def _as_bytes(texts: np.ndarray) -> list[bytes]:
    """UTF-8, a byte more than experts read, to count the texts that are cut."""
    some = (t[: BUDGET + 1] for t in texts)
    return [t if isinstance(t, bytes) else t.encode("utf-8", "replace")[: BUDGET + 1] for t in some]


def _fitted(
    rows: FitRows, name: str, texts: Sequence[bytes], analyzer: Analyzer, report: Report
) -> Fitted:
    sample = _sample(rows, texts)
    length = sum(len(texts[i]) for i in sample)
    expert = Ngrams(
        name=f"ngrams.{name}.{analyzer}",
        input=name,
        analyzer=analyzer,
        buckets=_buckets(length, rows.units),
        across_words=length <= SHORT * max(len(sample), 1),
    )
    if len(sample) < len(texts):
        report(
            f"{expert.name}: learning from {len(sample)} of {len(texts)} rows, a sample of groups"
            f" (at most {ROWS} rows and {BYTES // 1_000_000} MB of text)"
        )
    counter = _Counter(expert, character_table())
    features, idf = _weighted(counter.counts([texts[i] for i in sample]))
    used = np.flatnonzero(idf)
    features = features[:, used]
    folds = int(rows.folds.max(initial=0)) + 1
    weights = np.zeros((folds, len(used), rows.units), np.float32)
    intercepts = np.zeros((folds, rows.units), np.float32)
    shared = 0
    for group in groups(rows.objectives):
        places = [place for place, _ in group]
        report(f"{expert.name}: output {places[0] + 1} of {rows.units}")
        labelled = [replace(column, labels=column.labels[sample]) for _, column in group]
        fits = solved(labelled, features, rows.folds[sample], folds, rows.seed)
        for fold, fit in enumerate(fits):
            shared += fit.shared
            for place, (coefficients, intercept) in zip(places, fit.models, strict=True):
                weights[fold, :, place], intercepts[fold, place] = coefficients, intercept
    out_of_fold = np.empty((len(texts), rows.units), np.float32)
    _margins(features, weights, intercepts, rows.folds[sample], sample, out_of_fold)
    rest = np.setdiff1d(np.arange(len(texts)), sample)
    for start in range(0, len(rest), PIECE * 16):
        some = rest[start : start + PIECE * 16]
        more = _normalised(counter.counts([texts[i] for i in some]), idf)[:, used]
        _margins(more, weights, intercepts, rows.folds[some], some, out_of_fold)
    table = np.zeros((expert.buckets, 1 + rows.units), np.float32)
    table[:, 0] = idf
    table[used, 1:] = weights.mean(axis=0) * idf[used, None]
    return Fitted(
        expert=expert,
        arrays={
            "characters": counter.characters,
            "table": table,
            "intercepts": intercepts.mean(axis=0),
        },
        out_of_fold=out_of_fold,
        figures={
            "ngrams": len(used),
            "buckets": expert.buckets,
            "models that share weights": f"{shared} of {folds * rows.units}",
            "rows": f"{len(sample)} of {len(texts)}",
            f"texts of more than {BUDGET} bytes": sum(len(t) > BUDGET for t in texts),
        },
    )


def _sample(rows: FitRows, texts: Sequence[bytes]) -> np.ndarray:
    """Indices of rows with a label, in order: whole groups at random, as many as are allowed."""
    known = np.flatnonzero(np.any([o.known() for o in rows.objectives], axis=0))
    group = np.unique(rows.groups[known], return_inverse=True)[1]
    order = np.random.default_rng(rows.seed).permutation(int(group.max(initial=-1)) + 1)
    by_group = np.argsort(order[group], kind="stable")
    lengths = np.array([len(texts[i]) + 1 for i in known[by_group]])
    fits = (np.cumsum(lengths) <= BYTES) & (np.arange(len(lengths)) < ROWS)
    return np.sort(known[by_group][fits])


def _buckets(length: int, units: int) -> int:
    """A power of two that `length` bytes of text fill, as far as `TABLE` allows."""
    wanted = SMALLEST if length < 1_000_000 else LARGEST
    while wanted > SMALLEST and wanted * 4 * (units + 1) > TABLE:
        wanted //= 2
    return wanted


class _Counter:
    """Counts n-grams with the very function of the graph."""

    def __init__(self, expert: Ngrams, characters: np.ndarray) -> None:
        self.characters = characters
        self._buckets = expert.buckets
        table = tf.constant(characters)
        self._function = tf.function(
            lambda text: expert.counts(table, text),
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def counts(self, texts: Sequence[bytes]) -> Any:
        """Sublinear counts, a float32 SciPy CSR matrix [texts, buckets]."""
        from scipy import sparse

        parts = []
        for start in range(0, len(texts), PIECE):
            piece = list(texts[start : start + PIECE])
            row, bucket, count = (t.numpy() for t in self._function(piece))
            kept = bucket > 0
            values = 1 + np.log(count[kept].astype(np.float32))
            shape = (len(piece), self._buckets)
            parts.append(sparse.csr_matrix((values, (row[kept], bucket[kept])), shape=shape))
        if not parts:
            return sparse.csr_matrix((0, self._buckets), dtype=np.float32)
        return sparse.vstack(parts, format="csr")


def _weighted(counts: Any) -> tuple[Any, np.ndarray]:
    """TF-IDF of the counts, and the float32 [buckets] idf: 0 for n-grams that are too rare."""
    rows = counts.shape[0]
    documents = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log((1 + rows) / (1 + documents)).astype(np.float32) + 1
    idf[documents < (2 if rows >= FREQUENT else 1)] = 0
    return _normalised(counts, idf), idf


def _normalised(counts: Any, idf: np.ndarray) -> Any:
    """Rows times idf, with an L2 norm of 1, or of 0."""
    counts.data *= idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, counts.data.astype(np.float64) ** 2, counts.shape[0]))
    counts.data /= np.maximum(norms, 1e-30)[rows].astype(np.float32)
    return counts


def _margins(
    features: Any,
    weights: np.ndarray,
    intercepts: np.ndarray,
    folds: np.ndarray,
    places: np.ndarray,
    into: np.ndarray,
) -> None:
    """Write the margins of rows, from the models without their folds, to their places."""
    for fold in range(len(weights)):
        own = folds == fold
        into[places[own]] = features[own] @ weights[fold] + intercepts[fold]
