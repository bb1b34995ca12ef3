from __future__ import annotations

import pytest

from components.ingestion.readers.html_text import without_tags


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Buy <b>now</b></p>", "Buy now"),
        ("<style>p {}</style>a<SCRIPT>x('<b>')</Script>b", "a b"),
        ("a<!-- <b> -->c", "a c"),
        ("a<!-- never closed", "a"),
        ('<a title="1 > 0">one</a>', "one"),
        ("1 < 2 and 3<4 &amp; &#8364;", "1 < 2 and 3<4 & €"),
        ("end <b", "end <b"),
        ("<br/>a<?php x ?>b<!DOCTYPE html>c", "a b c"),
        (f'<img src="data:{"A" * 9000}">a', "a"),
        ("<script>never closed", ""),
        (f"&#{'9' * 5000};a", f"&#{'9' * 5000};a"),
    ],
)
def test_the_text_of_a_page(page: str, text: str) -> None:
    assert without_tags(page) == text


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece", ['<a x="', "<!--", "<", "&#", '<a ">"', "<script>", "<a '>", "</"]
)
def test_pages_made_to_take_long_do_not(piece: str) -> None:
    without_tags(piece * 400_000)
