from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from components.beam.map_units import hand_over, map_units
from components.errors import RootstockError
from components.stage import BeamOptions, Context

Make = Callable[[str], Context]


def square(index: int, unit: int, *, log: Path, refused: tuple[int, ...] = ()) -> int:
    with open(log, "a") as file:
        file.write(f"{index}\n")
    if unit in refused:
        raise RootstockError(f"unit {unit} is bad")
    return unit * unit


def test_results_come_in_the_order_of_units(new_context: Make, tmp_path: Path) -> None:
    work = partial(square, log=tmp_path / "log")
    found = map_units("x", [5, 1, 3], work, new_context("a"))
    assert list(found) == [25, 1, 9]
    assert (found[-1], found[1:], len(found)) == (9, [1, 9], 3)
    assert list(map_units("none", [], work, new_context("a"))) == []


def test_an_attempt_after_a_crash_does_only_what_is_left(new_context: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    work = partial(square, log=log)
    map_units("x", [1, 2, 3], work, new_context("a"))
    context = new_context("a")
    (context.scratch / "x" / "00001.pickle").unlink()
    (context.scratch / "x" / "00001.pickle.abc").write_bytes(b"half a resu")
    log.unlink()
    assert list(map_units("x", [1, 2, 3], work, context)) == [1, 4, 9]
    assert log.read_text() == "1\n"


def test_unknown_runners_are_explained(new_context: Make, tmp_path: Path) -> None:
    for name in ("FlingRunner", "nowhere.Runner"):
        context = replace(new_context("a"), beam=BeamOptions(name))
        with pytest.raises(RootstockError, match=rf"--runner {name}: .*docs/runners\.md"):
            map_units("x", [1], partial(square, log=tmp_path / "log"), context)


def test_threads_are_as_many_as_cores_and_units_at_most(
    new_context: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for units, given, note in (
        (9, BeamOptions(), "on 3 threads"),
        (2, BeamOptions(), "on 2 threads"),
        (1, BeamOptions(), ""),
        (9, BeamOptions(options=("direct_num_workers=1",)), "on FnApiRunner"),
    ):
        context = replace(new_context(f"{units}{note}"), beam=given)
        work = partial(square, log=tmp_path / "log")
        assert list(map_units("x", range(units), work, context)) == [i * i for i in range(units)]
        assert context.observer.notes[-1] == note  # type: ignore[attr-defined]


def test_a_full_disk_is_reported(new_context: Make) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        map_units("x", [1, 2], full, new_context("a"))
    assert caught.value.errno == errno.ENOSPC


def full(index: int, unit: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def deadly(index: int, unit: int, *, died: Path) -> int:
    if unit == 3 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return unit * unit


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_process_that_dies(new_context: Make, tmp_path: Path) -> None:
    options = ("direct_running_mode=multi_processing", "direct_num_workers=2")
    context = replace(new_context("a"), beam=BeamOptions(options=options))
    work = partial(deadly, died=tmp_path / "died")
    with pytest.raises(RootstockError, match=r"worker process of Beam died.*run the same command"):
        map_units("x", [1, 2, 3, 4], work, context)
    assert list(map_units("x", [1, 2, 3, 4], work, context)) == [1, 4, 9, 16]


def test_outputs_that_were_moved_away_are_computed_again(new_context: Make, tmp_path: Path) -> None:
    context = new_context("a")
    written, target = context.scratch / "files", context.output / "files"
    (written / "train").mkdir(parents=True)
    (written / "train" / "part").write_text("whole")
    (written / "train" / ".part.123").write_text("hal")
    work = partial(square, log=tmp_path / "log")
    map_units("x", [1], work, context)
    hand_over("x", written, target, context)
    assert [p.name for p in target.rglob("*")] == ["train", "part"]
    map_units("x", [1], work, context)
    assert (tmp_path / "log").read_text() == "0\n0\n"


def test_an_error_in_the_input_is_reported_and_the_unit_is_tried_again(
    new_context: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = partial(square, log=tmp_path / "log", refused=(7, 8))
    with pytest.raises(RootstockError, match=r"^unit 8 is bad$"):
        map_units("x", [1, 8, 7], work, new_context("a"))
    assert capfd.readouterr().err == ""
    mended = partial(square, log=tmp_path / "log", refused=(7,))
    with pytest.raises(RootstockError, match=r"^unit 7 is bad$"):
        map_units("x", [1, 8, 7], mended, new_context("a"))
    whole = partial(square, log=tmp_path / "log")
    assert list(map_units("x", [1, 8, 7], whole, new_context("a"))) == [1, 64, 49]


def test_all_refused_units_are_tried_again(new_context: Make, tmp_path: Path) -> None:
    work = partial(square, log=tmp_path / "log", refused=(7, 8))
    with pytest.raises(RootstockError, match=r"^unit 8 is bad$"):
        map_units("x", [1, 8, 7], work, new_context("a"))
    whole = partial(square, log=tmp_path / "log")
    assert list(map_units("x", [1, 8, 7], whole, new_context("a"))) == [1, 64, 49]
