"""Masked and next tokens, counted independently."""

from __future__ import annotations

import numpy as np

from components.training.token_tasks import Masking, NextToken

START, END, MASK, PAD, VOCABULARY = 1, 2, 3, 0, 1000


def texts(rows: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids [rows, longest + 2] of texts of 1 to `longest` ordinary tokens, and these numbers."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, longest + 1, rows)
    ids = np.full((rows, longest + 2), PAD, np.int32)
    for row, count in zip(ids, counts, strict=True):
        row[: count + 2] = [START, *rng.integers(4, VOCABULARY, count), END]
    return ids, counts


def test_shares_of_masked_tokens() -> None:
    ids, counts = texts(3000, 60)
    masking = Masking(share=0.15, mask=MASK, vocabulary=VOCABULARY, special=(PAD, START, END, MASK))
    task = masking.task(ids, np.random.default_rng(1))
    np.testing.assert_array_equal(masking.predictable(ids), counts)

    rows = np.bincount(task.positions // ids.shape[1], minlength=len(ids))
    np.testing.assert_array_equal(rows, [max(round(0.15 * int(n)), 1) for n in counts])
    assert len(np.unique(task.positions)) == len(task.positions)
    flat, read = ids.reshape(-1), task.ids.reshape(-1)
    np.testing.assert_array_equal(task.tokens, flat[task.positions])
    assert not set(task.tokens.tolist()) & {PAD, START, END, MASK}
    rest = np.setdiff1d(np.arange(flat.size), task.positions)
    np.testing.assert_array_equal(read[rest], flat[rest])

    shown, total = read[task.positions], len(task.positions)
    masked, same = (shown == MASK).sum() / total, (shown == task.tokens).sum() / total
    margin = 4 * np.sqrt(0.8 * 0.2 / total)  # four standard deviations
    assert abs(masked - 0.8 - 0.1 / VOCABULARY) < margin
    assert abs(same - 0.1 - 0.1 / VOCABULARY) < margin
    others = shown[(shown != MASK) & (shown != task.tokens)]
    assert np.abs(np.bincount(others // 250, minlength=4) / len(others) - 0.25).max() < 0.05


def test_all_tokens_of_a_text_are_equally_likely() -> None:
    ids = np.tile(np.array([[START, 4, 5, 6, 7, END]], np.int32), (8000, 1))
    masking = Masking(share=0.25, mask=MASK, vocabulary=8, special=(PAD, START, END, MASK))
    tokens = masking.task(ids, np.random.default_rng(2)).tokens
    assert np.abs(np.bincount(tokens, minlength=8)[4:] / 8000 - 0.25).max() < 0.02


def test_next_tokens_are_those_after_each_token_of_the_text() -> None:
    ids = np.array([[5, 0, 6, 0, 0], [7, 0, 0, 0, 0], [8, 9, 4, -1, 2]], np.int32)
    objective = NextToken(pad=0)  # inside a text, 0 is a token like others
    assert objective.predictable(ids).tolist() == [2, 0, 3]
    task = objective.task(ids, np.random.default_rng(0))
    assert task.positions.tolist() == [0, 1, 10, 11, 13]
    assert task.tokens.tolist() == [0, 6, 9, 4, 2]
    np.testing.assert_array_equal(task.ids, ids)
