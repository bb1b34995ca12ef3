"""After a killed worker or a full disk nothing is half-published, and the next run succeeds."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.data.digests import digest_tree

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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for part in range(6):
        rows = "".join(f"{part}{i},{hash((part, i))},{'text ' * 9}{i}\n" for i in range(3000))
        (folder / f"{part}.csv").write_text("id,x,t\n" + rows)
    return folder


def start(source: Path, store: Path, limit: int = 0, pause: float = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STAGES, str(source), str(store), str(limit), str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    """The last output of the process."""
    return process.communicate(timeout=120)[1]


def examples(store: Path) -> list[Path]:
    return list(store.glob("ExampleGen/*/examples"))


@pytest.mark.slow
def test_a_killed_worker_leaves_nothing_half_published(source: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finished(start(source, whole))
    process = start(source, killed, pause=0.5)
    done = "*/.*/**/units/*.pickle"
    deadline = time.monotonic() + 60
    while not list(killed.glob(done)) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    finished(process)
    assert 0 < len(list(killed.glob(done))) < 6
    assert examples(killed) == []
    finished(start(source, killed))
    assert digest_tree(examples(killed)[0]) == digest_tree(examples(whole)[0])


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_published(source: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    output = finished(start(source, store, limit=20_000))
    assert "no space left on this disk" in output
    assert "File too large" in output
    assert "Traceback" not in output
    assert examples(store) == []
    finished(start(source, store))
    finished(start(source, tmp_path / "whole"))
    assert digest_tree(examples(store)[0]) == digest_tree(examples(tmp_path / "whole")[0])
