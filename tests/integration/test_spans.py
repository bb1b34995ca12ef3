"""A new span is read; those before it are not."""

from __future__ import annotations

from pathlib import Path

from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store.store import Store

SPEC = """
name: days
data:
  sources: [{format: csv, path: "day-{SPAN}.csv", spans: all}]
  key: [id]
inputs: {x: {kind: numeric}}
tasks: {y: {kind: binary, label: y, positive: "1"}}
"""


def day(folder: Path, number: int, value: str) -> None:
    rows = range(number * 100, number * 100 + 100)
    lines = "".join(f"{i},{value},{i % 2}\n" for i in rows)
    (folder / f"day-{number}.csv").write_text("id,x,y\n" + lines)


def test_earlier_spans_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "days.yaml"
    file.write_text(SPEC)
    for numbers, value, cached in (((1, 2), "3", []), ((3,), "0.5", [True, True, False])):
        for number in numbers:
            day(tmp_path, number, value)
        spec, _ = load_spec(file)
        with Runner(Store(Path(spec.store)).open()) as runner:
            examples = prepare(spec, runner).examples
        read = [r.cached for r in runner.results if r.stage == "ExampleGen"]
        assert read == (cached or [False, False])
    table = [examples.read(s) for s in examples.splits()]
    assert sorted(i for t in table for i in t.column("id").to_pylist()) == list(range(100, 400))
    assert {str(t.schema.field("x").type) for t in table} == {"double"}
