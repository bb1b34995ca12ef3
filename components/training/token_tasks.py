"""Which tokens of a batch of texts a trunk learns to predict, and what it reads instead of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from components.data.lazy import np

REPLACED, CHANGED = 0.8, 0.1
"""Shares of the tokens to predict that become the mask token, and another token."""


@dataclass(frozen=True)
class TokenTask:
    """ids: int32 [rows, length], what the trunk reads. positions: int32 [predicted], in rows *
    length. tokens: int32 [predicted], what is right there.
    """

    ids: np.ndarray
    positions: np.ndarray
    tokens: np.ndarray


class Objective(ABC):
    """What is predicted. A character that a vocabulary lacks may have id -1, and is not predicted.

    kind: for people. rows: texts in a step, if nobody says otherwise. has_own_head: whether what
    predicts starts at random; otherwise the trunk was pretrained with the embedding alone.
    """

    kind: ClassVar[str]
    rows: ClassVar[int]
    has_own_head: ClassVar[bool]

    @abstractmethod
    def predictable(self, ids: np.ndarray) -> np.ndarray:
        """int64 [rows]: how many tokens of each text, int32 [rows, length], could be predicted."""

    @abstractmethod
    def task(self, ids: np.ndarray, rng: np.random.Generator) -> TokenTask:
        """What to predict of a batch of texts, each with a token that could be predicted."""


@dataclass(frozen=True)
class Masking(Objective):
    """Masked language modelling (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

    share: of the tokens of each text that are predicted, at least one. mask: id of the mask token.
    vocabulary: ids are below it. special: ids that are never predicted, padding among them.
    """

    kind = "masked"
    rows = 32
    has_own_head = True
    share: float
    mask: int
    vocabulary: int
    special: tuple[int, ...]

    def predictable(self, ids: np.ndarray) -> np.ndarray:
        return np.asarray(self._ordinary(ids).sum(axis=1))

    def task(self, ids: np.ndarray, rng: np.random.Generator) -> TokenTask:
        ordinary = self._ordinary(ids)
        count = np.maximum(np.round(self.share * ordinary.sum(axis=1)), 1)
        ranks = np.argsort(np.argsort(np.where(ordinary, rng.random(ids.shape), 2.0), axis=1))
        positions = np.flatnonzero((ranks < count[:, None]) & ordinary)
        tokens = ids.reshape(-1)[positions]
        draw, others = rng.random(len(tokens)), rng.integers(0, self.vocabulary, len(tokens))
        shown = np.where(draw < REPLACED + CHANGED, others, tokens)
        read = ids.copy()
        read.reshape(-1)[positions] = np.where(draw < REPLACED, self.mask, shown)
        return TokenTask(read, positions.astype(np.int32), tokens)

    def _ordinary(self, ids: np.ndarray) -> np.ndarray:
        return (ids >= 0) & ~np.isin(ids, self.special)


@dataclass(frozen=True)
class NextToken(Objective):
    """Causal language modelling: every token of a text but the first, from those before it.

    pad: the id after the end; inside a text it is a token like others.
    """

    kind = "causal"
    rows = 8
    has_own_head = False
    pad: int

    def predictable(self, ids: np.ndarray) -> np.ndarray:
        return np.asarray(self._before_another(ids).sum(axis=1))

    def task(self, ids: np.ndarray, rng: np.random.Generator) -> TokenTask:
        at = np.flatnonzero(self._before_another(ids))
        return TokenTask(ids, at.astype(np.int32), ids.reshape(-1)[at + 1])

    def _before_another(self, ids: np.ndarray) -> np.ndarray:
        """Whether a token of the same text follows, and has an id."""
        inside = np.arange(1, ids.shape[1] + 1) < lengths(ids, self.pad)[:, None]
        return np.asarray(inside & (np.roll(ids, -1, axis=1) >= 0))


def lengths(ids: np.ndarray, pad: int) -> np.ndarray:
    """int64 [rows]: number of tokens up to the last that is not padding."""
    used = ids != pad
    return np.where(used.any(axis=1), ids.shape[1] - np.argmax(used[:, ::-1], axis=1), 0)
