"""Rates of ExampleGen and StatisticsGen, compared with bare libraries and with Beam row by row.

    python benchmarks/data_speed.py --rows 1000000 --row-rows 50000 --work DIR
    python benchmarks/data_speed.py --images DIR --work DIR

Without --images: a CSV file of 40 columns (20 floats, 10 integers, 10 texts with 200 values). Each
figure comes from a separate process; peak memory is its largest resident set.

- `arrow`: pyarrow streams the CSV and writes Parquet with zstd, on all cores
- `example_gen`: the stage, from the same file
- `rows`: a Beam pipeline that parses each row and writes tf.train.Example as TFRecord; only the
  first `--row-rows` rows
- `pandas`: the figures of StatisticsGen, computed by pandas and pyarrow from the stage's shards
- `statistics_gen`: the stage

With --images: a directory per class instead of the table; one thread per core.

- `pillow`: reads and decodes every file and writes Parquet
- `images`: ExampleGen, from the same files
- `pixels`: Pillow and NumPy compute the size, mean and standard deviation of the images' channels
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from PIL import Image

from components.ingestion.readers import Reader
from models.masked_url import MaskedUrl

FLOATS, INTEGERS, TEXTS = 20, 10, 10


def table(rows: int, seed: int) -> pa.Table:
    """A table of random values."""
    rng = np.random.default_rng(seed)
    words = np.array([f"value {i}" for i in range(200)])
    columns: dict[str, np.ndarray] = {
        f"f{i}": np.round(rng.normal(size=rows), 6) for i in range(FLOATS)
    }
    columns |= {f"i{i}": rng.integers(0, 10_000, rows) for i in range(INTEGERS)}
    columns |= {f"t{i}": words[rng.integers(0, 200, rows)] for i in range(TEXTS)}
    return pa.table(columns)


def make(file: Path, rows: int) -> None:
    """Write the CSV file, 100,000 rows at a time."""
    with open(file, "wb") as out:
        for start in range(0, rows, 100_000):
            part = table(min(100_000, rows - start), start)
            arrow_csv.write_csv(part, out, arrow_csv.WriteOptions(include_header=start == 0))


def arrow(file: Path, work: Path) -> None:
    with (
        arrow_csv.open_csv(str(file), arrow_csv.ReadOptions(block_size=1 << 24)) as reader,
        pq.ParquetWriter(work / "bare.parquet", reader.schema, compression="zstd") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def example_gen(file: Path, work: Path) -> None:
    from components.ingestion.readers.delimited import CsvReader

    _ingested(CsvReader(path=MaskedUrl(str(file))), file, work)


def _ingested(reader: Reader, file: Path, work: Path) -> None:
    from components.artifacts import SourceFiles
    from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
    from components.stage import Context

    output, scratch = work / "example_gen", work / "example_gen_scratch"
    output.mkdir()
    scratch.mkdir()
    stage = ExampleGen(sources=(reader,))
    stage.run(ExampleGenInputs((SourceFiles(file, "x"),)), Context(output, scratch))


def rows(file: Path, work: Path) -> None:
    """Like TFX's CsvExampleGen: a dictionary and a proto for each row."""
    import apache_beam as beam

    with open(file, newline="") as text:
        names = next(csv.reader(text))
    convert = [float] * FLOATS + [int] * INTEGERS + [str] * TEXTS

    def serialised(line: str) -> bytes:
        from serving.wire.protos import Example

        example = Example()
        for name, kind, value in zip(names, convert, next(csv.reader([line])), strict=True):
            feature = example.features.feature[name]
            if kind is float:
                feature.float_list.value.append(float(value))
            elif kind is int:
                feature.int64_list.value.append(int(value))
            else:
                feature.bytes_list.value.append(value.encode())
        return bytes(example.SerializeToString())

    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(str(file), skip_header_lines=1)
            | beam.Map(serialised)
            | beam.io.WriteToTFRecord(str(work / "rows"))
        )


def pandas(file: Path, work: Path) -> None:
    """Moments, deciles, zeros and value counts of every split."""
    for split in ("train", "val", "test"):
        frame = pq.read_table(work / "example_gen" / "examples" / split).to_pandas()
        numbers = frame.select_dtypes("number")
        numbers.agg(["mean", "std", "min", "max"])
        numbers.quantile(np.linspace(0, 1, 11))
        (numbers == 0).sum()
        frame.isna().sum()
        for name in frame.columns[FLOATS:]:
            frame[name].value_counts()
        for name in frame.columns[FLOATS + INTEGERS :]:
            frame[name].str.len().agg(["min", "mean", "max"])


def statistics_gen(file: Path, work: Path) -> None:
    from components.artifacts import Examples
    from components.stage import Context
    from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs

    output, scratch = work / "statistics_gen", work / "statistics_gen_scratch"
    output.mkdir()
    scratch.mkdir()
    examples = Examples(work / "example_gen" / "examples", "x")
    StatisticsGen(images=("image",)).run(StatisticsGenInputs(examples), Context(output, scratch))


def pillow(file: Path, work: Path) -> None:
    def whole(path: Path) -> bytes:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
        return data

    paths = sorted(path for path in file.rglob("*") if path.is_file())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        table = pa.table({"image": list(pool.map(whole, paths)), "file": list(map(str, paths))})
    pq.write_table(table, work / "pillow.parquet", compression="zstd")


def images(file: Path, work: Path) -> None:
    from components.ingestion.readers.image_folder import ImageFolderReader

    _ingested(ImageFolderReader(path=MaskedUrl(str(file))), file, work)


def pixels(file: Path, work: Path) -> None:
    def figures(data: bytes) -> tuple[object, ...]:
        with Image.open(io.BytesIO(data)) as image:
            values = np.asarray(image, "float64")
        return values.shape, values.mean((0, 1)), values.std((0, 1))

    for split in ("train", "val", "test"):
        table = pq.read_table(work / "example_gen" / "examples" / split, columns=["image"])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(figures, table.column("image").to_pylist()))


TABLE: dict[str, Callable[[Path, Path], None]] = {
    f.__name__: f for f in (arrow, example_gen, rows, pandas, statistics_gen)
}
IMAGES = {f.__name__: f for f in (pillow, images, pixels, statistics_gen)}
COMPARED = (
    ("example_gen", "arrow"),
    ("example_gen", "rows"),
    ("statistics_gen", "pandas"),
    ("images", "pillow"),
    ("statistics_gen", "pixels"),
)


def measured(name: str, file: Path, work: Path) -> dict[str, float]:
    """Seconds (without imports) and peak megabytes of a process that runs one function."""
    command = [
        sys.executable,
        __file__,
        "--measure",
        name,
        "--file",
        str(file),
        "--work",
        str(work),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--row-rows", type=int, default=50_000)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--measure", choices=TABLE | IMAGES)
    parser.add_argument("--file", type=Path)
    args = parser.parse_args()
    if args.measure:
        import apache_beam  # noqa: F401 - its import is not measured

        began = time.perf_counter()
        (TABLE | IMAGES)[args.measure](args.file, args.work)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": time.perf_counter() - began, "megabytes": peak}))
        return
    args.work.mkdir(parents=True)
    if args.images:
        count = sum(path.is_file() for path in args.images.rglob("*"))
        work = dict.fromkeys(IMAGES, (args.images, count))
    else:
        for name, count in (("all", args.rows), ("few", args.row_rows)):
            make(args.work / f"{name}.csv", count)
        work = dict.fromkeys(TABLE, (args.work / "all.csv", args.rows))
        work["rows"] = args.work / "few.csv", args.row_rows
        print(f"{FLOATS + INTEGERS + TEXTS} columns")
    rates = {}
    for name, (file, count) in work.items():
        figures = measured(name, file, args.work)
        rates[name] = count / figures["seconds"]
        print(
            f"{name:15} {rates[name]:>12,.0f} of {count:,}/s {figures['megabytes']:8,.0f} MB peak"
        )
    for stage, bare in COMPARED:
        if stage in rates and bare in rates:
            print(f"{stage} / {bare}: {rates[stage] / rates[bare]:.2f}")


if __name__ == "__main__":
    main()
