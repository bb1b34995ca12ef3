from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from components.artifacts import Examples
from components.errors import RootstockError
from components.ingestion.deduplicator import Deduplicator, DeduplicatorInputs, DeduplicatorOutputs
from components.ingestion.duplicate_signatures import (
    duplicate_groups,
    image_signature,
    row_signatures,
    text_signature,
)
from components.stage import Context

Make = Callable[[str], Context]
RNG = np.random.default_rng(0)


def sentence(words: int) -> list[str]:
    return [f"w{i}" for i in RNG.integers(0, 5000, words)]


def photo() -> Image.Image:
    noise = RNG.integers(0, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def written(root: Path, **splits: list[dict[str, object]]) -> Examples:
    for split, rows in splits.items():
        (root / split).mkdir(parents=True)
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, root / split / "part-00000.parquet", row_group_size=2)
    return Examples(root, "digest")


def run(examples: Examples, context: Context, **params: object) -> DeduplicatorOutputs:
    stage = Deduplicator(**params)  # type: ignore[arg-type]
    return stage.run(DeduplicatorInputs(examples), context)


def ids(outputs: DeduplicatorOutputs, split: str) -> list[int]:
    return list(outputs.examples.read(split).column("id").to_pylist())


def test_copies_are_dropped_from_training_rather_than_from_test(
    tmp_path: Path, new_context: Make
) -> None:
    examples = written(
        tmp_path / "e",
        train=[{"id": i, "t": t} for i, t in enumerate(["Buy  now", "new", "new", None, ""])],
        val=[{"id": 10, "t": "buy now"}, {"id": 11, "t": "own"}],
        test=[{"id": 20, "t": " BUY NOW "}],
    )
    context = new_context("x")
    outputs = run(examples, context, columns=("t",))
    assert [ids(outputs, s) for s in ("train", "val", "test")] == [[1, 3, 4], [11], [20]]
    told = outputs.report.load()
    assert (told["groups"], told["leaks"]) == (2, 1)
    assert told["leaks_between"] == {"test-train-val": 1}
    assert [row["value"] for row in told["examples"][0]] == ["Buy  now", "buy now", " BUY NOW "]
    assert context.observer.figures["leaks"] == 1  # type: ignore[attr-defined]


def test_without_drop_duplicates_are_only_reported(tmp_path: Path, new_context: Make) -> None:
    examples = written(
        tmp_path / "e", train=[{"id": 1, "t": "a"}], test=[{"id": 2, "t": "a"}, {"id": 3, "t": "b"}]
    )
    context = new_context("x")
    outputs = run(examples, context, columns=("t",), drop=False)
    assert ids(outputs, "train") + ids(outputs, "test") == [1, 2, 3]
    assert "set data.duplicates.drop" in context.observer.warnings[0]  # type: ignore[attr-defined]


def test_all_columns_must_agree(tmp_path: Path, new_context: Make) -> None:
    rows = [{"id": i, "t": "a", "n": n} for i, n in enumerate([1, 2, 1])]
    outputs = run(written(tmp_path / "e", train=rows), new_context("x"), columns=("t", "n"))
    assert ids(outputs, "train") == [0, 1]


def test_minhash_estimates_jaccard() -> None:
    for shared in (0, 30, 70, 95, 100):
        common, a, b = sentence(shared), sentence(100 - shared), sentence(100 - shared)
        texts = [" ".join(common + a), " ".join(common + b)]
        runs = [{tuple(t.split()[i : i + 3]) for i in range(98)} for t in texts]
        jaccard = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        found = text_signature(pa.array(texts))
        assert np.mean(found[0] == found[1]) == pytest.approx(jaccard, abs=0.2)


def test_nearly_the_same_texts(tmp_path: Path, new_context: Make) -> None:
    originals = [sentence(80) for _ in range(40)]
    changed = [[*words[:40], "CHANGED", *words[41:]] for words in originals[:20]]
    train = [{"id": i, "t": " ".join(w)} for i, w in enumerate(originals)]
    test = [{"id": 100 + i, "t": " ".join(w)} for i, w in enumerate(changed)]
    outputs = run(
        written(tmp_path / "e", train=train, test=test), new_context("x"), columns=("t",), near=0.7
    )
    assert len(ids(outputs, "test")) == 20
    assert [i for i in ids(outputs, "train") if i >= 20] == list(range(20, 40))
    assert len(ids(outputs, "train")) <= 22


def test_nearly_the_same_images(tmp_path: Path, new_context: Make) -> None:
    photos = [photo() for _ in range(60)]
    train = [{"id": i, "image": encoded(p)} for i, p in enumerate(photos)]
    copies = [photos[i].resize((48, 48)).filter(ImageFilter.GaussianBlur(0.5)) for i in range(20)]
    test = [{"id": 100 + i, "image": encoded(c, "JPEG", quality=85)} for i, c in enumerate(copies)]
    outputs = run(
        written(tmp_path / "e", train=train, test=test),
        new_context("x"),
        columns=("image",),
        near=0.9,
    )
    assert len(ids(outputs, "test")) == 20
    assert ids(outputs, "train") == list(range(20, 60))


def test_plain_images_are_no_copies_of_each_other() -> None:
    plain = [encoded(Image.new("RGB", (8, 8), (i, i, i))) for i in range(3)]
    batch = pa.record_batch({"image": plain})
    assert image_signature(batch.column("image")).tolist() == [[0], [0], [0]]
    assert duplicate_groups(row_signatures(batch, ("image",), near=True), 0.9).tolist() == [0, 1, 2]


def test_unsuitable_columns_are_explained(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", train=[{"id": 1, "t": "a"}])
    with pytest.raises(RootstockError, match=r"'text' is not a column of the examples"):
        run(examples, new_context("x"), columns=("text",))
    with pytest.raises(RootstockError, match=r"column 'id' has int64 values"):
        run(examples, new_context("x"), columns=("id",), near=0.9)


def test_rows_without_a_first_text_are_no_near_duplicates() -> None:
    bodies = [" ".join(sentence(30)) for _ in range(6)]
    subjects = ["", None, "", "a b c d", "a b c d", "  "]
    batch = pa.RecordBatch.from_pydict({"subject": subjects, "body": bodies})
    found = duplicate_groups(row_signatures(batch, ["subject", "body"], near=True), 0.8)
    assert list(found) == [0, 1, 2, 3, 3, 5]


def test_a_copy_of_an_unlabelled_text_stays_where_it_is_labelled(
    tmp_path: Path, new_context: Make
) -> None:
    names = {"unlabelled": "abcd", "train": "ab", "test": "c"}
    rows = {s: [{"id": f"{s}-{w}", "word": w} for w in words] for s, words in names.items()}
    outputs = run(written(tmp_path / "e", **rows), new_context("x"), columns=("word",))
    kept = {s: outputs.examples.read(s)["word"].to_pylist() for s in outputs.examples.splits()}
    assert kept == {"train": ["a", "b"], "test": ["c"], "unlabelled": ["d"]}
    assert outputs.report.load()["leaks_between"] == {"test-unlabelled": 1}
