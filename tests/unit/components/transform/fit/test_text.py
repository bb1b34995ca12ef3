"""The automatic length of texts."""

from __future__ import annotations

import pytest

from components.transform.fit.text import LONGEST, automatic_length


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ({3: 98, 7: 1, 900: 1}, 7),  # the longest of a hundred texts is cut
        ({900: 2, 3: 98}, LONGEST),
        ({0: 5}, 1),
        ({}, 1),
        ({0: 1, 12: 1}, 12),
    ],
)
def test_most_texts_stay_whole(lengths: dict[int, int], expected: int) -> None:
    assert automatic_length(lengths) == expected
