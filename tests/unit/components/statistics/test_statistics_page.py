"""Which figures and charts the page has, and how far splits are apart."""

from __future__ import annotations

from components.statistics.column_statistics import (
    ColumnStatistics,
    ImageColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    ValueCounts,
)
from components.statistics.statistics_page import Section, _section, page


def names(*counts: tuple[str, int]) -> StringColumn:
    rows = sum(count for _, count in counts)
    return StringColumn(name="c", type="string", present=rows, values=ValueCounts(counts=counts))


def whole(first: int, last: int, step: int = 1) -> NumericColumn:
    values = range(first, last + 1, step)
    return NumericColumn(
        name="c",
        type="int64",
        present=len(values),
        minimum=first,
        maximum=last,
        percentiles=tuple(first + (last - first) * i / 100 for i in range(101)),
        values=ValueCounts(counts=tuple((str(v), 1) for v in values)),
    )


def section(train: ColumnStatistics, test: ColumnStatistics) -> Section:
    return _section([train, test], {"train": train, "test": test}, ())


def test_shares_are_of_each_split() -> None:
    found = section(names(("b", 3), ("a", 1)), names(("a", 10)))
    assert [(v.text, v.shares, v.rows) for v in found.values] == [
        ("a", [0.25, 1.0], [1, 10]),
        ("b", [0.75, 0.0], [3, 0]),
    ]
    assert found.difference == 0.75
    assert dict(found.figures)["difference"] == ["", "0.750"]
    assert found.density is None


def test_numbers_and_names_of_rows_are_not_drawn() -> None:
    ids = section(whole(1, 60), whole(61, 90))
    assert ids.is_id
    assert (ids.density, ids.values) == (None, [])
    assert section(names(*((f"u{i}", 1) for i in range(20))), names(("v", 1))).is_id
    both = whole(1, 60)
    for numbers in (section(whole(0, 9000, 100), whole(0, 900, 10)), section(both, both)):
        assert not numbers.is_id, "salaries, or values that both splits have"
        assert numbers.density is not None
        assert [line.name for line in numbers.density.lines] == ["train", "test"]


def test_grey_images_have_one_channel() -> None:
    def image(*means: float) -> ImageColumn:
        return ImageColumn(
            name="i", type="binary", channel_means=means, channel_deviations=(1.0,) * len(means)
        )

    figures = dict(section(image(77.5, 77.5, 77.5), image(77.5, 80, 9)).figures)
    assert figures["grey"] == ["77.5 ± 1.0", ""]
    assert [figures[c] for c in ("red", "blue")] == [["", "77.5 ± 1.0"], ["", "9.0 ± 1.0"]]
    assert not {"grey", "red"} & dict(section(image(), image()).figures).keys()


def test_a_slice_is_in_the_table_but_not_in_charts() -> None:
    column = names(("a", 2), ("b", 1))
    names_of_splits = ("train", "train: x=1")
    splits = [SplitStatistics(name=n, rows=3, columns={"c": column}) for n in names_of_splits]
    html = page(splits, {})
    assert '<th scope="col">train: x=1</th>' in html
    assert html.count("<rect") == 2
