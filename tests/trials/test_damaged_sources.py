"""Damage to the files of every reader: single flipped bits, and cuts.

After each one, the result is one of these, and the table that is printed counts them:

- refused: an error that names the file;
- counted: rows are lost, and as many are counted as bad records;
- same: the rows are those of the whole source;
- altered: other values or rows, where the format has no checksum over them (`NO_CHECKSUM`). Nobody
  can notice that a text has another letter, or that a lost line end makes one row of two;
- shorter: all rows before the cut, in formats without an end mark (`NO_END`), in which the rest of
  a file cannot be missed.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from components.errors import RootstockError
from components.ingestion.readers import Reader
from components.ingestion.readers.base import BadRecord
from tests.trials.raw_sources import ROWS, SOURCES

FLIPS, CUTS = 50, 10
NO_CHECKSUM = {
    "arrow file",
    "arrow stream",
    "avro",
    "avro, deflate",
    "csv",
    "csv.zst",
    "image_folder",  # PNG has checksums over its pixels only, and they are the same bytes anyhow
    "image_manifest",
    "jsonl",
    "mail folder",
    "mail mbox",
    "mail tar",
    "parquet without checksums",
    "sql",
    "text_folder",
}
GARBLED = {"csv.zst"}
"""Damage to a compressed block without a checksum may change any number of rows."""
NO_END = {"csv", "image_manifest", "jsonl", "mail folder", "mail mbox", "text_folder"}
NO_END |= {"avro", "avro, deflate", "tfds", "tfrecord"}  # if they are cut between two blocks


def rows_of(reader: Reader) -> tuple[list[str], int]:
    """The rows of a source as texts, and the number of those that were lost."""
    root = Path(reader.path)
    schema = reader.schema(root)
    rows: list[str] = []
    lost = 0
    for unit in reader.units(root):
        for item in reader.read(unit, schema):
            if isinstance(item, BadRecord):
                lost += item.rows
            else:
                rows += map(str, pa.RecordBatch.to_pylist(item))
    return rows, lost


def outcome(name: str, reader: Reader, file: Path, whole: list[str], cut: bool) -> str:
    """What became of damage to a file; a sentence if this is not allowed."""
    try:
        rows, lost = rows_of(reader)
    except RootstockError as error:
        return "refused" if file.name in str(error) else f"the file is not named: {error}"
    if rows == whole and not lost:
        return "same"
    if lost and len(rows) + lost >= ROWS and set(rows) <= set(whole):
        return "counted"
    if cut and rows[:-1] == whole[: max(len(rows) - 1, 0)]:
        return "shorter"
    if name in GARBLED or abs(len(rows) + lost - ROWS) <= 1:
        return "altered"
    return f"{len(rows)} rows and {lost} lost"


@pytest.mark.slow
def test_damage_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, wrong, tried = [], [], 0
    kinds = ("refused", "counted", "same", "altered", "shorter")
    for name, make in SOURCES.items():
        root = tmp_path / name
        root.mkdir()
        reader = make(root, "good")
        whole, _ = rows_of(reader)
        assert len(whole) == ROWS
        files = sorted(f for f in root.rglob("*") if f.is_file())
        draw, outcomes = random.Random(name), Counter[str]()
        for number in range(FLIPS + CUTS):
            file = draw.choice(files)
            content = file.read_bytes()
            place = draw.randrange(len(content))
            damaged = bytearray(content)
            if number < FLIPS:
                damaged[place] ^= 1 << draw.randrange(8)
            else:
                del damaged[place:]
            file.write_bytes(damaged)
            found = outcome(name, reader, file, whole, number >= FLIPS)
            file.write_bytes(content)
            outcomes[found] += 1
            allowed = {"refused", "counted", "same"}
            allowed |= {"altered"} if name in NO_CHECKSUM else set()
            allowed |= {"shorter"} if name in NO_END else set()
            if found not in allowed:
                change = f"flip at {place}" if number < FLIPS else f"cut at {place}"
                wrong.append(f"{name}, {file.name} of {len(content)} bytes, {change}: {found}")
        tried += FLIPS + CUTS
        lines.append(f"{name:28}" + "".join(f"{outcomes[kind]:9}" for kind in kinds))
    with capsys.disabled():
        print(f"\n{'source':28}" + "".join(f"{kind:>9}" for kind in kinds), *lines, sep="\n")
        print(f"tried {tried}, passed {tried - len(wrong)}")
    assert not wrong, "\n".join(wrong)
