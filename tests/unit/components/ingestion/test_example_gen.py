from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.artifacts import SPLITS, SourceFiles
from components.data.digests import digest_tree
from components.errors import RootstockError
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs, ExampleGenOutputs
from components.ingestion.readers import Reader
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.splits import HashSplits as Splits
from components.stage import BeamOptions, Context

Make = Callable[[str], Context]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], CsvReader]:
    def write(name: str, content: str) -> CsvReader:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return CsvReader(path=str(file))

    return write


def numbered(start: int, stop: int) -> str:
    return "id,word\n" + "".join(f"{i},w{i % 7}\n" for i in range(start, stop))


def run(context: Context, *sources: Reader, **params: object) -> ExampleGenOutputs:
    files = tuple(SourceFiles(Path(s.path), "digest") for s in sources)
    stage = ExampleGen(sources=sources, **params)  # type: ignore[arg-type]
    return stage.run(ExampleGenInputs(files), context)


def ids(outputs: ExampleGenOutputs, split: str) -> list[int]:
    return list(outputs.examples.read(split).column("id").to_pylist())


def test_rows_keep_their_split_when_data_grows(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    small = run(new_context("small"), write("a.csv", numbered(0, 300)))
    large = run(new_context("large"), write("b.csv", numbered(0, 600)))
    for split in SPLITS:
        assert ids(small, split) == [i for i in ids(large, split) if i < 300]
    assert sorted(i for s in SPLITS for i in ids(large, s)) == list(range(600))


def test_same_bytes_for_any_way_of_running(
    write: Callable[[str, str], CsvReader], new_context: Make, tmp_path: Path
) -> None:
    for i in range(5):
        write(f"in/{i}.csv", numbered(i * 100, i * 100 + 100))
    source = CsvReader(path=str(tmp_path / "in"))
    threads = BeamOptions(options=("direct_running_mode=multi_threading", "direct_num_workers=3"))
    one = run(new_context("one"), source)
    two = run(replace(new_context("two"), beam=threads), source)
    assert digest_tree(one.examples.path) == digest_tree(two.examples.path)
    assert len(one.examples.shards("train")) == 5
    first = pq.ParquetFile(one.examples.shards("train")[0])
    assert first.metadata.row_group(0).column(0).compression == "ZSTD"


def test_figures(write: Callable[[str, str], CsvReader], new_context: Make) -> None:
    context = new_context("x")
    outputs = run(context, write("a.csv", numbered(0, 200)))
    figures = context.observer.figures  # type: ignore[attr-defined]
    assert figures["examples"] == 200
    assert [figures[s] for s in SPLITS] == [outputs.examples.num_rows(s) for s in SPLITS]
    assert figures["quarantined"] == 0
    assert context.observer.seen[-1] == (1, 1, "shards")  # type: ignore[attr-defined]


def test_a_source_with_a_split_gets_no_other_rows_in_it(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    train, test = write("a.csv", numbered(0, 900)), write("b.csv", numbered(0, 50))
    outputs = run(new_context("x"), train, replace(test, split="test"))
    assert ids(outputs, "test") == list(range(50))
    assert outputs.examples.num_rows("train") + outputs.examples.num_rows("val") == 900
    assert 70 < outputs.examples.num_rows("val") < 130


def test_key_keeps_groups_together(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    rows = "".join(f"{i},w{i % 40}\n" for i in range(400))
    outputs = run(new_context("x"), write("a.csv", "id,word\n" + rows), key=("word",))
    groups = [set(outputs.examples.read(s).column("word").to_pylist()) for s in SPLITS]
    assert sum(len(g) for g in groups) == 40


def test_sources_with_different_columns_are_united(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    a, b = write("a.csv", "id,x\n1,1\n2,2\n"), write("b.csv", "id,x,y\n3,0.5,z\n")
    outputs = run(new_context("x"), replace(a, split="train"), replace(b, split="train"))
    assert outputs.examples.read("train").to_pylist() == [
        {"id": 1, "x": 1.0, "y": None},
        {"id": 2, "x": 2.0, "y": None},
        {"id": 3, "x": 0.5, "y": "z"},
    ]
    c = write("c.csv", "id,x\n1,word\n")
    with pytest.raises(RootstockError, match=r"'x' is int64 in .*a\.csv but string in .*c\.csv"):
        run(new_context("y"), a, c)


def test_bad_records_fail_or_go_to_quarantine(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    source = write("a.csv", numbered(0, 98) + "too,many,columns\n")
    with pytest.raises(RootstockError, match=r"1 of 99 records cannot be used") as caught:
        run(new_context("x"), source)
    assert f"  {source.path}, line 100: expected 2 columns, found 3\n" in str(caught.value)
    assert "max_bad_fraction to 0.0102 or more" in str(caught.value)
    context = new_context("y")
    outputs = run(context, source, max_bad_fraction=0.0102)
    assert outputs.quarantine.records() == [
        {
            "source": 0,
            "file": "a.csv",
            "position": 100,
            "reason": "expected 2 columns, found 3",
            "counted": "line",
            "rows": 1,
        }
    ]
    assert context.observer.warnings  # type: ignore[attr-defined]


def interrupted(source: Path, target: Path) -> Path:
    raise KeyboardInterrupt


def test_an_attempt_after_a_crash_gives_the_same_bytes(
    write: Callable[[str, str], CsvReader], new_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write("a.csv", numbered(0, 200))
    whole = digest_tree(run(new_context("whole"), source).examples.path)
    context = new_context("x")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(context, source)
    (context.scratch / "shards" / "train" / ".part-00000.parquet.1").write_bytes(b"half")
    assert digest_tree(run(new_context("x"), source).examples.path) == whole


def test_no_rows_is_an_error(write: Callable[[str, str], CsvReader], new_context: Make) -> None:
    with pytest.raises(RootstockError, match=r"No examples for the training split in .*a\.csv"):
        run(new_context("x"), write("a.csv", "id,word\n"))


def test_unknown_key_is_named(write: Callable[[str, str], CsvReader], new_context: Make) -> None:
    with pytest.raises(RootstockError, match=r"data\.key: 'user' is not a column of .*a\.csv"):
        run(new_context("x"), write("a.csv", numbered(0, 9)), key=("user",))


def test_splits_add_up() -> None:
    with pytest.raises(
        ValueError, match=r"add up to 1, received .* = 1\.1\. Those that you leave out"
    ):
        Splits(train=0.8, val=0.2, test=0.1)
    assert Splits(train=0.6, val=0.2, test=0.2).without({"test"}).shares == pytest.approx(
        (0.75, 0.25, 0.0)
    )
    assert Splits().without({"test", "val"}).shares == (1.0, 0.0, 0.0)
    assert Splits().without({"train"}) == Splits()


def test_unlabelled_rows_have_a_split_of_their_own(
    write: Callable[[str, str], CsvReader], new_context: Make
) -> None:
    labelled = write("a.csv", numbered(0, 100))
    others = replace(write("b.csv", "word\nu\nv\n"), split="unlabelled")
    outputs = run(new_context("x"), labelled, others, key=("id",))
    alone = run(new_context("y"), labelled, key=("id",))
    for split in SPLITS:
        assert ids(outputs, split) == ids(alone, split)
    rows = outputs.examples.read("unlabelled")
    assert rows.to_pylist() == [{"id": None, "word": w} for w in "uv"]
    assert outputs.examples.splits() == [*SPLITS, "unlabelled"]
