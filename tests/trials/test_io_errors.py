"""An error at every single call of store, push and journal that writes to the disk."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from components.artifacts import Examples
from components.data.atomic import write_whole
from components.errors import RootstockError
from components.stage import Context, Stage
from pipeline.display import LineDisplay
from pipeline.runner import Runner
from pipeline.store.store import Store
from pipeline.tracking.events import RunFinished, RunStarted, StageFailed, StageStarted
from pipeline.tracking.journal import JournalTracker, read
from serving.versions.directory import Directory
from tests.faulty_io import faults

CODES = (errno.ENOSPC, errno.EIO)


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Made:
    made: Examples


@dataclass(frozen=True)
class Make(Stage[Nothing, Made]):
    def run(self, inputs: Nothing, context: Context) -> Made:
        write_whole(context.scratch / "checkpoint", "half")
        path = context.output / "made"
        path.mkdir()
        (path / "text").write_text("whole")
        return Made(Examples(path))


def make(root: Path) -> Made:
    with Runner(Store(root), display=LineDisplay(io.StringIO())) as run:
        return run(Make(), Nothing())


def each_call(act: Callable[[], object]) -> range:
    """The numbers of the calls that an action makes."""
    with faults(0) as counted:
        act()
    return range(1, len(counted.calls) + 1)


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_a_result_is_published_whole_or_not_at_all(
    tmp_path: Path, code: int, damaged: bool
) -> None:
    def prepared(name: object) -> Path:
        root = tmp_path / str(name)
        if damaged:
            (make(root).made.path / "text").write_text("wh")
        return root

    calls = each_call(partial(make, prepared("counted")))
    assert len(calls) > (15 if damaged else 12)
    for at in calls:
        root = prepared(at)
        try:
            with faults(at, code) as active:
                assert (make(root).made.path / "text").read_text() == "whole"
        except RootstockError as e:
            assert str(root) in str(e), (at, active.calls)
        entries = list(Store(root).entries())
        assert all(damaged or not e.damage(whole=True) for _, e in entries if e is not None), at
        made = make(root).made
        assert (made.path / "text").read_text() == "whole", (at, active.calls)
        assert [p.name for p in (root / "Make").iterdir() if p.name[0] == "."] == []


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_a_version_is_pushed_whole_or_not_at_all(tmp_path: Path, code: int) -> None:
    saved = tmp_path / "saved"
    (saved / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (saved / name).write_text(name)

    def pushed(name: object) -> Directory:
        place = Directory(tmp_path / str(name))
        place.push("m", saved, "first")
        place.label("m", "stable", 1)
        return place

    actions: list[Callable[[Directory], object]] = [
        lambda place: place.push("m", saved, "second", keep=1),
        lambda place: place.label("m", "stable", 1),
        lambda place: place.rollback("m", 1),
    ]
    tried = 0
    for number, act in enumerate(actions):
        calls = each_call(partial(act, pushed(f"counted{number}")))
        for at in calls:
            place = pushed(f"{number}-{at}")
            try:
                with faults(at, code) as active:
                    act(place)
            except OSError as e:
                assert e.errno == code, (number, at, active.calls)
            for version in place.history("m"):
                assert place.damage("m", version, "digests") == [], (number, at)
            assert 1 in place.history("m")
            assert place.labels("m")["stable"] in place.history("m")
            second = place.push("m", saved, "second")
            assert place.damage("m", second, "digests") == []
            assert place.push("m", saved, "second") == second
            hidden = {p.name for p in Path(place.location("m")).iterdir() if p.name[0] == "."}
            assert not any(name.startswith((".staging", ".retired")) for name in hidden)
            tried += 1
    assert tried > 40


@pytest.mark.parametrize("code", CODES)
def test_a_journal_that_cannot_be_written_loses_what_it_says_and_no_more(
    tmp_path: Path, code: int
) -> None:
    events = [
        RunStarted(run_id="r", name="n", experiment="e", spec_text="", params={}, tags={}),
        StageStarted(stage="A", fingerprint="f"),
        StageFailed(stage="A", error="e"),
        StageStarted(stage="B", fingerprint="f"),
        RunFinished(status="failed"),
    ]

    def record(run: Path) -> list[str]:
        warnings: list[str] = []
        tracker = JournalTracker(run, warnings.append)
        for event in events:
            tracker.record(event)
        return warnings

    calls = each_call(lambda: record(tmp_path / "counted"))
    assert len(calls) >= 9
    for at in calls:
        run = tmp_path / str(at)
        with faults(at, code) as active:
            warnings = record(run)
        assert len(warnings) == 1, (at, active.calls)
        assert str(run) in warnings[0]
        found = [event for event, _ in read(run)]
        assert len(found) >= len(events) - 1, (at, active.calls)
        assert found == [event for event in events if event in found]
