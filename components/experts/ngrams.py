"""Fits experts of kind `ngrams`: TF-IDF of a text input's n-grams, with linear models."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, final

from components.data.lazy import np
from components.experts.base import ExpertKind, FitRows, Fitted, Report
from components.experts.sparse_linear import FoldModels, fold_models, margins
from models.experts.ngrams import (
    ALONE,
    ANALYZERS,
    BUDGET,
    CODE_BITS,
    CODE_POINTS,
    IN_WORD,
    PIECE,
    SEPARATOR,
    SPACE,
    Ngrams,
)
from models.inputs.base import Feature
from models.inputs.text import TextInput
from models.lazy import tf

ROWS, BYTES = 50_000, 36_000_000
"""Above so many rows, or bytes of text, an expert learns from a sample. A byte takes about 75 bytes
of memory, or 112 where tasks share weights (FDU-MTL: 1.9 GB): at most 4 GB.
"""
SHORT = 300
"""Mean bytes of a text up to which n-grams of characters reach over spaces. They are then better
(SMS: AUC .9989 against .9978); for e-mails they are no better and almost twice as many."""
HANGUL = range(0xAC00, 0xD7A4)
FINEST = 2**21
"""Buckets in which n-grams are counted first: all bits of a hash."""
ROOM = (16, 2)
"""Buckets for each n-gram of words and of characters that is kept, at least: at most a share of
1 - exp(-1 / ROOM), 6 and 39 %, has a bucket with another one. Measured on 256 SMS, out of fold:
with 3, 6 and 12 buckets for each n-gram of words, log loss rises by 26, 10 and 2 %. Those of
characters overlap, so that one for each is enough."""
FEWEST, LIMITED, MOST = 2**10, 2**18, 2**20
TABLE = 72_000_000
"""Bytes of a table of words, or of characters, if it has more than `LIMITED` buckets."""
FREQUENT = 2000
"""Rows from which n-grams of a single text are ignored."""


@final
class NgramsKind(ExpertKind):
    """An expert for each text input, with a model of words and one of characters."""

    most_outputs = 100

    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        return any(is_text(f) for f in features)

    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        for feature in rows.features:
            if is_text(feature):
                yield _fitted(rows, feature.name, as_bytes(rows.raw[feature.name]), report)


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


def is_text(feature: Feature) -> bool:
    """Whether a feature is a text."""
    return feature.kind in TextInput.feature_kinds


def as_bytes(texts: np.ndarray) -> list[bytes]:
    """UTF-8, a byte more than experts read, to count the texts that are cut."""
    some = (t[: BUDGET + 1] for t in texts)
    return [t if isinstance(t, bytes) else t.encode("utf-8", "replace")[: BUDGET + 1] for t in some]


def _fitted(rows: FitRows, name: str, texts: Sequence[bytes], report: Report) -> Fitted:
    sample = text_sample(rows, texts, BYTES)
    length = sum(len(texts[i]) for i in sample)
    expert = Ngrams(
        name=f"ngrams.{name}",
        input=name,
        words=FINEST,
        characters=FINEST,
        across_words=length <= SHORT * max(len(sample), 1),
    )
    if len(sample) < len(texts):
        report(
            f"{expert.name}: learning from {len(sample)} of {len(texts)} rows, a sample of groups"
            f" (at most {ROWS} rows and {BYTES // 1_000_000} MB of text)"
        )
    counter = _Counter(expert, character_table())
    counted = counter.counts([texts[i] for i in sample])
    models = []
    out_of_fold = np.empty((len(texts), len(ANALYZERS) * rows.units), np.float32)
    for i, (room, member) in enumerate(zip(ROOM, expert.members, strict=True)):
        model, own = _learned(rows, sample, counted.pop(0), room, member, report)
        models.append(model)
        out_of_fold[sample, i * rows.units : (i + 1) * rows.units] = own
    rest = np.setdiff1d(np.arange(len(texts)), sample)
    for start in range(0, len(rest), PIECE * 16):
        some = rest[start : start + PIECE * 16]
        counted = counter.counts([texts[i] for i in some])
        out_of_fold[some] = _margins(models, counted, rows.folds[some])
    words, characters = models
    figures: dict[str, float | int | str] = {
        "rows": f"{len(sample)} of {len(texts)}",
        f"texts of more than {BUDGET} bytes": sum(len(t) > BUDGET for t in texts),
    }
    for analyzer, model in zip(ANALYZERS, models, strict=True):
        figures |= {f"{analyzer} {figure}": value for figure, value in model.figures.items()}
    return Fitted(
        expert=replace(expert, words=words.buckets, characters=characters.buckets),
        arrays={
            "characters": counter.characters,
            "table": np.concatenate([m.table() for m in models]),
            "intercepts": np.concatenate([m.models.intercepts.mean(axis=0) for m in models]),
        },
        out_of_fold=out_of_fold,
        figures=figures,
    )


def text_sample(rows: FitRows, texts: Sequence[bytes], most: int) -> np.ndarray:
    """Indices of rows with a label, in order: whole groups at random, as many as are allowed.

    most: bytes of text.
    """
    known = np.flatnonzero(np.any([o.known() for o in rows.objectives], axis=0))
    group = np.unique(rows.groups[known], return_inverse=True)[1]
    order = np.random.default_rng(rows.seed).permutation(int(group.max(initial=-1)) + 1)
    by_group = np.argsort(order[group], kind="stable")
    lengths = np.array([len(texts[i]) + 1 for i in known[by_group]])
    fits = (np.cumsum(lengths) <= most) & (np.arange(len(lengths)) < ROWS)
    return np.sort(known[by_group][fits])


def _buckets(wanted: int, units: int) -> int:
    """A power of two of at least `wanted`, as far as `TABLE` allows."""
    most = MOST
    while most > LIMITED and most * 4 * (units + 1) > TABLE:
        most //= 2
    return min(max(FEWEST, 1 << max(wanted - 1, 0).bit_length()), most)


class _Counter:
    """Counts n-grams with the very function of the graph."""

    def __init__(self, expert: Ngrams, characters: np.ndarray) -> None:
        self.characters = characters
        table = tf.constant(characters)
        self._function = tf.function(
            lambda text: expert.counts(table, text),
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def counts(self, texts: Sequence[bytes]) -> list[Any]:
        """Of words and of characters, each a float32 SciPy CSR matrix [texts, FINEST]."""
        from scipy import sparse

        empty = sparse.csr_matrix((0, FINEST), dtype=np.float32)
        parts: list[list[Any]] = [[empty] for _ in ANALYZERS]
        for start in range(0, len(texts), PIECE):
            piece = list(texts[start : start + PIECE])
            segment, bucket, count = (t.numpy() for t in self._function(piece))
            for i, of_analyzer in enumerate(parts):
                own = (segment % 2 == i) & (bucket > 0)
                places = (segment[own] // 2, bucket[own] % FINEST)
                counts = count[own].astype(np.float32)
                of_analyzer.append(sparse.csr_matrix((counts, places), (len(piece), FINEST)))
        return [sparse.vstack(p, format="csr") for p in parts]


@dataclass(frozen=True, kw_only=True)
class _Model:
    """The models of all folds on words, or on characters.

    idf: float32 [buckets], 0 for n-grams that are too rare. used: int64 [width], where it is not 0.
    """

    idf: np.ndarray
    used: np.ndarray
    models: FoldModels
    figures: Mapping[str, float | int | str]

    @property
    def buckets(self) -> int:
        return len(self.idf)

    def margins(self, counts: Any, folds: np.ndarray) -> np.ndarray:
        """Float32 [rows, units] of counts [rows, FINEST], by the models without the rows' folds."""
        features = _normalised(_sublinear(counts, self.buckets), self.idf)[:, self.used]
        return margins(features, self.models, folds)

    def table(self) -> np.ndarray:
        """Float32 [buckets, 1 + units]: see `models.experts.ngrams.Ngrams`."""
        table = np.zeros((self.buckets, 1 + self.models.intercepts.shape[1]), np.float32)
        table[:, 0] = self.idf
        table[self.used, 1:] = self.models.weights.mean(axis=0) * self.idf[self.used, None]
        return table


def _learned(
    rows: FitRows, sample: np.ndarray, counts: Any, room: int, name: str, report: Report
) -> tuple[_Model, np.ndarray]:
    """The models, and the margins of the sample out of fold.

    counts: [rows of the sample, FINEST], freed as soon as they are used. room: buckets for each
        n-gram.
    """
    least = 2 if len(sample) >= FREQUENT else 1
    kept = np.flatnonzero(_documents(counts) >= least)
    buckets = _buckets(room * len(kept), rows.units)
    places = kept // (FINEST // buckets)
    shared = np.bincount(places)[places] > 1
    features = _sublinear(counts, buckets)
    del counts
    documents = _documents(features)
    idf = np.log((1 + len(sample)) / (1 + documents)).astype(np.float32) + 1
    idf[documents < least] = 0
    used = np.flatnonzero(idf)
    features = _normalised(features, idf)[:, used]
    models = fold_models(name, rows, features, sample, report)
    model = _Model(
        idf=idf,
        used=used,
        models=models,
        figures={
            "ngrams": len(kept),
            "buckets": buckets,
            "ngrams that share a bucket": f"{shared.mean() if len(kept) else 0:.0%}",
            "models that share weights": f"{models.shared} of {models.intercepts.size}",
        },
    )
    return model, margins(features, models, rows.folds[sample])


def _margins(models: Sequence[_Model], counted: Sequence[Any], folds: np.ndarray) -> np.ndarray:
    """Float32 [rows, members x units]: out of fold."""
    both = zip(models, counted, strict=True)
    return np.concatenate([m.margins(counts, folds) for m, counts in both], axis=1)


def _sublinear(counts: Any, buckets: int) -> Any:
    """1 + log of counts [rows, FINEST] in fewer buckets: the first bits of the finest ones."""
    from scipy import sparse

    places = (counts.data, counts.indices // (FINEST // buckets), counts.indptr)
    merged = sparse.csr_matrix(places, shape=(counts.shape[0], buckets), copy=True)
    merged.sum_duplicates()
    merged.data[merged.indices == 0] = 0  # the graph ignores bucket 0
    merged.eliminate_zeros()
    merged.data = 1 + np.log(merged.data)
    return merged


def _documents(counts: Any) -> np.ndarray:
    """The number of texts in each bucket."""
    return np.bincount(counts.indices, minlength=counts.shape[1])


def _normalised(counts: Any, idf: np.ndarray) -> Any:
    """Rows times idf, with an L2 norm of 1, or of 0."""
    counts.data *= idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, counts.data.astype(np.float64) ** 2, counts.shape[0]))
    counts.data /= np.maximum(norms, 1e-30)[rows].astype(np.float32)
    return counts
