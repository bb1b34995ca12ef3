"""Of unlabelled rows only inputs are checked; labels there are named, as nothing reads them."""

from __future__ import annotations

from components.statistics.column_statistics import (
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)
from components.validation.schema_gen import infer
from components.validation.unlabelled_checks import unlabelled_findings
from models.inputs.text import TextInput
from models.tasks.binary import BinaryTask

TEXT = TextInput(name="text", column="text")
TASK = BinaryTask(name="spam", label="label", positive=("yes",))


def split(name: str, texts: int, labels: int, rows: int = 10) -> SplitStatistics:
    counts = ValueCounts(counts=(("yes", labels),) if labels else ())
    return SplitStatistics(
        name=name,
        rows=rows,
        columns={
            "text": TextColumn(name="text", type="string", present=texts, missing=rows - texts),
            "label": StringColumn(
                name="label", type="string", present=labels, missing=rows - labels, values=counts
            ),
        },
    )


def sentences(texts: int, labels: int) -> list[str]:
    schema = infer((split("train", 10, 10), split("val", 10, 10)))
    rows = split("unlabelled", texts, labels)
    findings = list(unlabelled_findings(rows, (TEXT,), (TASK,), schema))
    return [f"{f.severity}: {f.sentence}" for f in findings]


def test_labels_may_be_absent() -> None:
    assert sentences(10, 0) == []


def test_labels_are_not_used() -> None:
    (sentence,) = sentences(10, 3)
    assert sentence.startswith("WARNING: tasks.spam: 3 rows of sources with `split: unlabelled`")


def test_texts_have_to_fit_the_schema() -> None:
    assert "is missing in 4 of 10 rows of unlabelled" in sentences(6, 0)[0]
    assert any("no unlabelled row has a value in 'text'" in s for s in sentences(0, 0))


def test_an_inferred_schema_fits_unlabelled_rows_but_does_not_ask_them_for_labels() -> None:
    schema = infer((split("train", 10, 10), split("unlabelled", 6, 0)))
    presence = {f.name: f.presence.min_fraction for f in schema.feature}
    assert presence == {"text": 0.0, "label": 1.0}
