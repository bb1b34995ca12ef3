"""After a killed worker or a full disk nothing is half-published, and the next run succeeds."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.artifacts import SourceFiles
from components.data.digests import digest_tree
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.stage import BeamOptions
from pipeline.runner import Runner
from pipeline.store.store import Store

ONE_WORKER = BeamOptions(options=("direct_num_workers=1",))

STAGES = """
import resource, signal, sys, time
from pathlib import Path
from components.ingestion import example_gen
from components.artifacts import SourceFiles
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.stage import BeamOptions
from components.errors import RootstockError
from pipeline.runner import Runner
from pipeline.store.store import Store

source, store, limit, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
write_unit = example_gen.write_unit

def slowly(index, item, **given):
    time.sleep(pause)
    return write_unit(index, item, **given)

example_gen.write_unit = slowly
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    one = BeamOptions(options=("direct_num_workers=1",))
    with Runner(Store(Path(store)).open(), beam=one) as run:
        stage = ExampleGen(sources=(CsvReader(path=source),))
        run(stage, ExampleGenInputs((SourceFiles(Path(source), "d"),)))
except RootstockError as e:
    sys.exit(str(e))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "in"
    folder.mkdir()
    for part in range(6):
        rows = "".join(f"{part}{i},{hash((part, i))},{'text ' * 9}{i}\n" for i in range(3000))
        (folder / f"{part}.csv").write_text("id,x,t\n" + rows)
    return folder


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the examples of a run that nothing interrupted."""
    return run(source, tmp_path_factory.mktemp("whole"))


def run(source: Path, store: Path) -> str:
    """ExampleGen in this process; the digest of its examples."""
    with Runner(Store(store).open(), beam=ONE_WORKER) as runner:
        stage = ExampleGen(sources=(CsvReader(path=str(source)),))
        made = runner(stage, ExampleGenInputs((SourceFiles(source, "d"),))).examples
    return digest_tree(made.path)


def start(source: Path, store: Path, limit: int = 0, pause: float = 0) -> subprocess.Popen[str]:
    """ExampleGen in a process of its own."""
    command = [sys.executable, "-c", STAGES, str(source), str(store), str(limit), str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    """The last output of the process."""
    return process.communicate(timeout=120)[1]


def examples(store: Path) -> list[Path]:
    return list(store.glob("ExampleGen/*/examples"))


def test_a_killed_worker_leaves_nothing_half_published(
    source: Path, whole: str, tmp_path: Path
) -> None:
    process = start(source, tmp_path, pause=0.5)
    done = "*/.*/**/units/*.pickle"
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(done)) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    finished(process)
    assert 0 < len(list(tmp_path.glob(done))) < 6
    assert examples(tmp_path) == []
    assert run(source, tmp_path) == whole


def test_a_full_disk_leaves_nothing_half_published(
    source: Path, whole: str, tmp_path: Path
) -> None:
    output = finished(start(source, tmp_path, limit=20_000))
    assert "no space left on this disk" in output
    assert "File too large" in output
    assert "Traceback" not in output
    assert examples(tmp_path) == []
    assert run(source, tmp_path) == whole
