"""Fits experts of kind `pairs`: what two text inputs have in common, with linear models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, final

from components.data.lazy import np
from components.experts.base import ExpertKind, FitRows, Fitted, Report
from components.experts.ngrams import SHORT, as_bytes, character_table, is_text, text_sample
from components.experts.sparse_linear import fold_models, margins
from models.experts.ngrams import ANALYZERS, PIECE
from models.experts.pairs import NUMBERS, Pairs, Terms
from models.inputs.base import Feature
from models.lazy import tf

MOST_INPUTS = 3
"""Text inputs that are compared; more would make too many pairs."""
BYTES = 4_000_000
"""Above so many bytes of text an expert learns from a sample of rows."""
BUCKETS = 2**17
"""Of words, and of characters."""
PIECES = 8
"""Into which a number is split at most, each with as many rows."""


@final
class PairsKind(ExpertKind):
    """An expert for each two text inputs, with a model of words and one of characters."""

    most_outputs = 30

    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        return 2 <= sum(is_text(f) for f in features) <= MOST_INPUTS

    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        texts = {f.name: as_bytes(rows.raw[f.name]) for f in rows.features if is_text(f)}
        for first, second in combinations(texts, 2):
            both = [a + b for a, b in zip(texts[first], texts[second], strict=True)]
            expert = Pairs(
                name=f"pairs.{first}.{second}",
                first=first,
                second=second,
                words=BUCKETS,
                characters=BUCKETS,
                across_words=sum(map(len, both)) <= 2 * SHORT * len(both),
            )
            sample = text_sample(rows, both, BYTES)
            reader = _Reader(expert, texts[first], texts[second])
            yield _fitted(expert, reader, rows, sample, report)


def _fitted(
    expert: Pairs, reader: _Reader, rows: FitRows, sample: np.ndarray, report: Report
) -> Fitted:
    """Learn from the sample, and give every row a margin."""
    idf = reader.inverse_frequencies(sample)
    differences, products, numbers = reader.read(idf, sample)
    pieces = _pieces(numbers)
    curves = _curves(numbers, pieces)
    models, used = [], []
    for of, name in enumerate(expert.members):
        own = np.unique(differences[of].indices)
        used.append(own)
        features = _features(differences[of], products[of], curves, own)
        models.append(fold_models(name, rows, features, sample, report))

    def held_out(terms: tuple[Sequence[Any], Sequence[Any], np.ndarray], at: np.ndarray) -> Any:
        curves, parts = _curves(terms[2], pieces), []
        for differences, products, own, model in zip(*terms[:2], used, models, strict=True):
            features = _features(differences, products, curves, own)
            parts.append(margins(features, model, rows.folds[at]))
        return np.concatenate(parts, axis=1)

    count = len(rows.folds)
    out_of_fold = np.empty((count, len(models) * rows.units), np.float32)
    out_of_fold[sample] = held_out((differences, products, numbers), sample)
    rest = np.setdiff1d(np.arange(count), sample)
    for start in range(0, len(rest), PIECE * 16):
        some = rest[start : start + PIECE * 16]
        out_of_fold[some] = held_out(reader.read(idf, some), some)

    table = np.zeros((len(models), BUCKETS, 2 * rows.units), np.float32)
    kernels = []
    for of, (own, model) in enumerate(zip(used, models, strict=True)):
        of_differences, of_products, kernel = np.split(
            model.weights.mean(axis=0), [len(own), 2 * len(own)]
        )
        table[of, own] = np.concatenate([of_differences, of_products], axis=1)
        kernels.append(kernel)
    return Fitted(
        expert=expert,
        arrays={
            "characters": character_table(),
            "idf": idf,
            "table": table.reshape(-1, 2 * rows.units),
            **pieces,
            "kernel": np.concatenate(kernels, axis=1),
            "intercepts": np.concatenate([m.intercepts.mean(axis=0) for m in models]),
        },
        out_of_fold=out_of_fold,
        figures={"rows": f"{len(sample)} of {count}"}
        | {f"{a} ngrams": len(own) for a, own in zip(ANALYZERS, used, strict=True)},
    )


class _Reader:
    """Reads pairs of texts with the very function of the graph."""

    def __init__(self, expert: Pairs, first: Sequence[bytes], second: Sequence[bytes]) -> None:
        self._texts = first, second
        characters = tf.constant(character_table())
        string = tf.TensorSpec([None], tf.string)
        self._terms = tf.function(
            lambda idf, a, b: expert.terms(characters, idf, a, b),
            input_signature=[tf.TensorSpec([None], tf.float32), string, string],
            autograph=False,
        )

    def inverse_frequencies(self, rows: np.ndarray) -> np.ndarray:
        """float32 [rows of the table]. N-grams that these rows lack have the highest."""
        flat = np.ones(len(ANALYZERS) * BUCKETS, np.float32)
        flat[0] = 0  # not an n-gram
        pairs = np.zeros(len(flat))
        for terms in self._pieces(flat, rows):
            there = terms.difference.numpy() + terms.product.numpy() > 0
            pairs += np.bincount(terms.row.numpy()[there], minlength=len(flat))
        return np.where(flat > 0, np.log((1 + len(rows)) / (1 + pairs)) + 1, 0).astype(np.float32)

    def read(
        self, idf: np.ndarray, rows: np.ndarray
    ) -> tuple[Sequence[Any], Sequence[Any], np.ndarray]:
        """CSR matrices [rows, BUCKETS] of words and of characters, of the differences and of the
        products; and the numbers.
        """
        from scipy import sparse

        empty = sparse.csr_matrix((0, BUCKETS), dtype=np.float32)
        differences: list[list[Any]] = [[empty] for _ in ANALYZERS]
        products: list[list[Any]] = [[empty] for _ in ANALYZERS]
        numbers = [np.zeros((0, len(ANALYZERS) * NUMBERS), np.float32)]
        for terms in self._pieces(idf, rows):
            numbers.append(terms.numbers.numpy())
            segment, row = terms.segment.numpy(), terms.row.numpy()
            shape = len(numbers[-1]), BUCKETS
            for of in range(len(ANALYZERS)):
                own = (segment % len(ANALYZERS) == of) & (row > 0)
                places = segment[own] // len(ANALYZERS), row[own] % BUCKETS
                for parts, values in ((differences, terms.difference), (products, terms.product)):
                    parts[of].append(sparse.csr_matrix((values.numpy()[own], places), shape))
        differing, common = (
            [sparse.vstack(parts, format="csr") for parts in of] for of in (differences, products)
        )
        return differing, common, np.concatenate(numbers)

    def _pieces(self, idf: np.ndarray, rows: np.ndarray) -> Iterator[Terms]:
        weights = tf.constant(idf)
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            texts = (tf.constant([side[i] for i in piece], tf.string) for side in self._texts)
            yield self._terms(weights, *texts)


def _pieces(numbers: np.ndarray) -> Mapping[str, np.ndarray]:
    """Into which numbers are split: see `Arrays` of `models.experts.pairs.Pairs`."""
    at = np.linspace(0, 1, PIECES + 1)
    edges = [np.unique(np.quantile(column, at).astype(np.float32)) for column in numbers.T]
    source = np.repeat(np.arange(len(edges)), [len(e) - 1 for e in edges])
    return {
        "source": source.astype(np.int32),
        "low": np.concatenate([e[:-1] for e in edges]),
        "high": np.concatenate([e[1:] for e in edges]),
    }


def _curves(numbers: np.ndarray, pieces: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 [rows, pieces]."""
    low, high = pieces["low"], pieces["high"]
    return np.asarray(np.clip((numbers[:, pieces["source"]] - low) / (high - low), 0, 1))


def _features(differences: Any, products: Any, curves: np.ndarray, used: np.ndarray) -> Any:
    """float32 CSR [rows, 2 x used + pieces]."""
    from scipy import sparse

    parts = [differences[:, used], products[:, used], curves]
    found = sparse.hstack(parts, format="csr", dtype=np.float32)
    found.eliminate_zeros()
    return found
