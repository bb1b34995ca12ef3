from __future__ import annotations

import bz2
import contextlib
import gc
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from components.errors import RootstockError
from components.ingestion.readers import delimited
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.delimited import CsvReader


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "a.csv") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def read(reader: CsvReader) -> tuple[pa.Table, list[BadRecord]]:
    root = Path(reader.path)
    schema = reader.schema(root)
    batches, bad = [], []
    for unit in reader.units(root):
        for item in reader.read(unit, schema):
            (bad if isinstance(item, BadRecord) else batches).append(item)
    return pa.Table.from_batches(batches, schema), bad


def test_types_are_inferred_and_empty_values_are_null(write: Callable[..., Path]) -> None:
    file = write("i,f,b,s,code,none\n1,1.5,true,x,007,\n,2,False,,012,\n")
    table, bad = read(CsvReader(path=str(file)))
    assert bad == []
    assert [str(t) for t in table.schema.types] == [
        "int64",
        "double",
        "bool",
        "string",
        "string",
        "null",
    ]
    assert table.to_pylist() == [
        {"i": 1, "f": 1.5, "b": True, "s": "x", "code": "007", "none": None},
        {"i": None, "f": 2.0, "b": False, "s": None, "code": "012", "none": None},
    ]


def test_spaces_null_values_and_names_without_header(write: Callable[..., Path]) -> None:
    file = write("39, ?, a b\n50, x, ?\n\n")
    reader = CsvReader(path=str(file), columns=("n", "s", "t"), strip=True, null_values=("?",))
    table, bad = read(reader)
    assert bad == []
    assert table.to_pydict() == {"n": [39, 50], "s": [None, "x"], "t": ["a b", None]}


def test_bad_rows_carry_their_lines(write: Callable[..., Path]) -> None:
    file = write('a,b\n1,"two\nlines"\n\n2\n3,x,y\n4,ok\nfive,ok\n6,last\n')
    table, bad = read(CsvReader(path=str(file), types={"a": "int"}))
    assert table.column("a").to_pylist() == [1, 4, 6]
    assert [(r.file, r.position) for r in bad] == [("a.csv", 5), ("a.csv", 6), ("a.csv", 8)]
    assert bad[0].reason == "expected 2 columns, found 1"
    assert bad[1].reason == "expected 2 columns, found 3"
    assert bad[2].reason == "column 'a': 'five' is not an integer"


def test_type_of_the_first_block_holds_for_the_rest(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 64)
    rows = [f"{i},{i}" for i in range(100)]
    rows[70] = "70,seventy"
    table, bad = read(CsvReader(path=str(write("a,b\n" + "\n".join(rows)))))
    assert table.num_rows == 99
    assert [r.position for r in bad] == [72]
    assert "'seventy' is not an integer" in bad[0].reason


def test_bytes_that_are_not_text_are_a_bad_record(write: Callable[..., Path]) -> None:
    file = write(b"a,b\n1,\xff\xfe\n2,fine\n")
    table, bad = read(CsvReader(path=str(file)))
    assert table.to_pylist() == [{"a": 2, "b": "fine"}]
    assert [str(r) for r in bad] == ["a.csv, line 2: column 'b' is not utf-8 text"]


def test_another_encoding(write: Callable[..., Path]) -> None:
    file = write("wort\nGrüße\n".encode("latin-1"))
    table, _ = read(CsvReader(path=str(file), encoding="latin-1"))
    assert table.column("wort").to_pylist() == ["Grüße"]


def test_byte_order_mark_is_not_part_of_a_name(write: Callable[..., Path]) -> None:
    table, _ = read(CsvReader(path=str(write(b"\xef\xbb\xbfa,b\n1,2\n"))))
    assert table.column_names == ["a", "b"]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed(
    write: Callable[..., Path], suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    file = write(pack(b"a\tb\n1\tx\nbad\n"), f"a.tsv{suffix}")
    table, bad = read(CsvReader(path=str(file), delimiter="\t"))
    assert table.to_pylist() == [{"a": 1, "b": "x"}]
    assert [r.position for r in bad] == [3]


def test_quotes_can_mean_nothing(write: Callable[..., Path]) -> None:
    file = write('label\ttext\nham\t"open\nspam\tx"\n')
    table, bad = read(CsvReader(path=str(file), delimiter="\t", quote=""))
    assert bad == []
    assert table.column("text").to_pylist() == ['"open', 'x"']


def test_lines_before_the_header(write: Callable[..., Path]) -> None:
    file = write("made by hand\n\na,b\n1,2\nbad\n")
    table, bad = read(CsvReader(path=str(file), skip_rows=1))
    assert table.to_pylist() == [{"a": 1, "b": 2}]
    assert [r.position for r in bad] == [5]


def test_folder_and_glob(write: Callable[..., Path]) -> None:
    write("a\n2\n", "in/b.csv")
    write("a\n1\n", "in/a.csv")
    write("hidden", "in/.DS_Store")
    root = write("zzz", "in/other.txt").parent
    with pytest.raises(RootstockError, match=r"other\.txt.*its columns are zzz"):
        read(CsvReader(path=str(root)))
    for pattern in (root / "*.csv", root.parent / "i*" / "[ab].csv", root.parent / "*" / "a.csv"):
        table, _ = read(CsvReader(path=str(pattern)))
        assert table.column("a").to_pylist() == ([1] if pattern.name == "a.csv" else [1, 2])


def test_codes_hex_and_large_integers_stay_text(write: Callable[..., Path]) -> None:
    file = write("hex,big,zip\n0x10,99999999999999999999,01234\n0x11,1,5\n")
    table, _ = read(CsvReader(path=str(file)))
    assert set(map(str, table.schema.types)) == {"string"}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"a\.csv: is empty"),
        ("a,b,a\n1,2,3\n", {}, r"line 1: repeated column names: a"),
        ("a\tb\n1\t2\n", {}, r"Expected `delimiter: '\\t'`"),
        ("1,2,3\n", {"columns": ("a", "b")}, r"has 3 columns, but `columns` names 2"),
        ("a,b\n1,2\n", {"types": {"c": "int"}}, r"types: 'c' is not .* Its columns: a, b"),
    ],
)
def test_unusable_headers_are_explained(
    write: Callable[..., Path], content: str, options: dict[str, object], message: str
) -> None:
    reader = CsvReader(path=str(write(content)), **options)  # type: ignore[arg-type]
    with pytest.raises(RootstockError, match=message):
        reader.peek()


def test_broken_compression_is_named(write: Callable[..., Path]) -> None:
    good = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    with pytest.raises(RootstockError, match=r"a\.csv\.gz: cannot be read"):
        read(CsvReader(path=str(write(good[: len(good) // 2], "a.csv.gz"))))


def test_header_alone_gives_no_rows(write: Callable[..., Path]) -> None:
    table, bad = read(CsvReader(path=str(write("a,b\n"))))
    assert (table.num_rows, bad, table.column_names) == (0, [], ["a", "b"])


def test_null_values_of_one_column(write: Callable[..., Path]) -> None:
    file = write("x,kind\n1.5,none\nnone,a\n,\n")
    table, bad = read(CsvReader(path=str(file), null_values={"x": ("", "none")}))
    assert bad == []
    assert table.to_pydict() == {"x": [1.5, None, None], "kind": ["none", "a", None]}


def test_decimal_commas_and_thousands(write: Callable[..., Path]) -> None:
    file = write('x;n;s\n3,14;1,234;a\n1.234,5;"7";b\nn/a;1,234,567;c\n3.14;8;d\n')
    reader = CsvReader(
        path=str(file),
        delimiter=";",
        null_values={"x": ("n/a",)},
        number_formats={"x": "1.234,5", "n": "1,234.5"},
    )
    table, bad = read(reader)
    assert table.to_pydict() == {
        "x": [3.14, 1234.5, None],
        "n": [1234, 7, 1234567],
        "s": ["a", "b", "c"],
    }
    assert [str(b) for b in bad] == [
        "a.csv, line 5: column 'x': '3.14' is not a number such as 1.234,5"
    ]


@pytest.mark.parametrize(
    ("rows", "good", "lost", "reason"),
    [
        ('1,a\n2,"b\n3,c\n4,d\n', 1, 3, "a quote is not closed, so the record goes on for 3 lines"),
        ('1,a\n"2,b\n3,c\n4,d\n', 1, 3, "expected 2 columns, found 1; a quote is not closed"),
        ('1,a\n2,"b\n3,c\n4,"d"\n5,e\n', 2, 3, "line 3 to 5: a quote is not closed"),
        ('1,a\n2,"b', 1, 1, "line 3: a quote is not closed"),
        ('1,a" b\n2,"b\nc"\n', 2, 0, ""),  # the second value may have a newline
    ],
)
def test_a_quote_that_is_not_closed_costs_all_its_lines(
    write: Callable[..., Path], rows: str, good: int, lost: int, reason: str
) -> None:
    for file in (write(f"i,t\n{rows}"), write(gzip.compress(f"i,t\n{rows}".encode()), "a.csv.gz")):
        table, bad = read(CsvReader(path=str(file)))
        assert (table.num_rows, sum(b.rows for b in bad)) == (good, lost)
        assert reason in " ".join(map(str, bad))


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_damaged_compression_names_the_file(write: Callable[..., Path], suffix: str) -> None:
    content = b"i,t\n" + b"1,a\n" * 9
    packed = bytearray(gzip.compress(content) if suffix == ".gz" else bz2.compress(content))
    packed[len(packed) // 2] ^= 4
    file = write(bytes(packed), f"a.csv{suffix}")
    with pytest.raises(RootstockError, match=rf"a\.csv{suffix}: cannot be read as .*whole file"):
        read(CsvReader(path=str(file)))


@pytest.mark.slow
@pytest.mark.parametrize("row", ["0.{0},1.{0}\n", '0.{0},1.{0}\n"'])
def test_no_thread_of_arrow_is_left_with_an_object_of_python(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    """Or it aborts the process, if that ends at the same time."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1 << 20)
    text = "".join(row.format(i * 7919 % 99991) for i in range(150_000))  # Arrow reads ahead
    file = write(bz2.compress(f"x,y\n{text}".encode()), "a.csv.bz2")
    for _ in range(3):
        with contextlib.suppress(RootstockError):
            CsvReader(path=str(file)).schema(file)
        assert not [o for o in gc.get_objects() if isinstance(o, delimited._Skip)]
