import math
import os
import signal
import subprocess
import sys
import threading

import pytest

from pipeline.store.entry import Entry
from pipeline.store.fingerprint import Identity
from pipeline.tracking.events import (
    Output,
    RunFinished,
    RunStarted,
    StageFailed,
    StageFinished,
    StageMetrics,
    StageStarted,
    SystemSample,
    from_line,
    to_line,
)
from pipeline.tracking.journal import FILE, JournalTracker, new_run, read, writer_lives

ENTRY_FIGURES = {"rows": 2, "loss": 0.5, "note": "x"}


def start(tracker):
    tracker.record(
        RunStarted(
            run_id=tracker.run.name,
            name="digits",
            experiment="experiment",
            spec_text="name: digits\n",
            params={"seed": 1},
            tags={"by": "me"},
        )
    )


@pytest.fixture
def tracker(tmp_path):
    tracker = JournalTracker(new_run(tmp_path), pytest.fail)
    yield tracker
    tracker.record(RunFinished(status="finished"))


def test_events_can_be_read_back(tracker, tmp_path):
    entry = Entry(
        identity=Identity("Trainer", "{}", {"examples": "Examples:ab"}, {}),
        outputs={"model": {"type": "TrainedModel", "digest": "cd"}},
        files={},
        figures=ENTRY_FIGURES,
        seconds=9.0,
        created=1.0,
        versions={},
        path=tmp_path / "Trainer" / "f",
    )
    start(tracker)
    tracker.record(StageStarted(stage="Trainer", fingerprint="f"))
    tracker.record(StageMetrics(stage="Trainer", step=3, values={"loss": 0.25}))
    tracker.record(StageFinished.of(entry, cached=True, seconds=0.5))
    tracker.record(StageFailed(stage="Pusher", error="OSError: full"))
    tracker.record(SystemSample(values={"cpu_utilization_percentage": 50.0}))
    tracker.record(RunFinished(status="failed"))
    events = [event for event, _ in read(tracker.run)]
    assert [e.kind for e in events] == [
        "run_started", "stage_started", "metrics", "stage_finished", "stage_failed", "system",
        "run_finished",
    ]  # fmt: skip
    assert isinstance(events[0], RunStarted)
    assert (events[0].run_id, events[0].pid) == (tracker.run.name, os.getpid())
    assert (events[0].spec_text, events[0].params) == ("name: digits\n", {"seed": 1})
    finished = events[3]
    assert isinstance(finished, StageFinished)
    model = Output("TrainedModel", str(tmp_path / "Trainer" / "f" / "model"), "cd")
    assert finished.outputs == {"model": model}
    assert finished.figures == ENTRY_FIGURES
    assert (finished.cached, finished.seconds) == (True, 0.5)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.1, 1e-300])
def test_every_float_survives(value):
    event = StageMetrics(time=0.1, stage="Trainer", step=0, values={"loss": value})
    assert from_line(to_line(event)) == event


def test_a_metric_that_is_not_a_number_survives():
    event = StageMetrics(time=0.1, stage="Trainer", step=0, values={"loss": math.nan})
    again = from_line(to_line(event))
    assert isinstance(again, StageMetrics)
    assert math.isnan(again.values["loss"])


def test_types_of_parameters_survive():
    event = RunStarted(
        time=0.0,
        run_id="r",
        name="n",
        experiment="e",
        spec_text="é\n",
        params={"i": 1, "f": 1.0, "b": True, "s": "1"},
        tags={},
        pid=1,
    )
    again = from_line(to_line(event))
    assert isinstance(again, RunStarted)
    assert {k: type(v) for k, v in again.params.items()} == {
        "i": int, "f": float, "b": bool, "s": str
    }  # fmt: skip


def test_a_half_line_is_not_read_until_it_is_whole(tracker):
    start(tracker)
    line = to_line(StageMetrics(time=1.0, stage="Trainer", step=0, values={"loss": 1.0}))
    with open(tracker.run / FILE, "ab") as file:
        file.write(line[:20])
        file.flush()
        assert len(list(read(tracker.run))) == 1
        file.write(line[20:])
    assert len(list(read(tracker.run))) == 2


def test_reading_goes_on_from_an_offset(tracker):
    start(tracker)
    tracker.record(StageMetrics(stage="Trainer", step=0, values={"loss": 1.0}))
    events = list(read(tracker.run))
    assert list(read(tracker.run, events[0][1])) == events[1:]


def test_threads_do_not_mix_their_lines(tracker):
    start(tracker)
    values = {f"metric_{i}": float(i) for i in range(200)}

    def tell(stage):
        for step in range(50):
            tracker.record(StageMetrics(stage=stage, step=step, values=values))

    threads = [threading.Thread(target=tell, args=(f"Stage{i}",)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(list(read(tracker.run))) == 1 + 4 * 50


def test_the_lock_says_whether_the_writer_lives(tracker):
    start(tracker)
    assert writer_lives(tracker.run)
    tracker.record(RunFinished(status="finished"))
    assert not writer_lives(tracker.run)


def test_a_killed_writer_is_known_to_be_dead_and_loses_nothing(tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pipeline.tracking.events import StageMetrics, StageStarted\n"
        "from pipeline.tracking.journal import JournalTracker\n"
        "t = JournalTracker(Path(sys.argv[1]), print)\n"
        "t.record(StageStarted(stage='Trainer', fingerprint='f'))\n"
        "t.record(StageMetrics(stage='Trainer', step=1, values={'loss': 1.0}))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    run = tmp_path / "runs" / "r"
    with subprocess.Popen([sys.executable, "-c", code, run], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert writer_lives(run)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not writer_lives(run)
    assert [e.kind for e, _ in read(run)] == ["stage_started", "metrics"]


def test_an_unwritable_journal_warns_once_and_stops_nothing(tmp_path):
    (tmp_path / "runs").write_text("a file where a directory must be")
    messages = []
    tracker = JournalTracker(tmp_path / "runs" / "r", messages.append)
    start(tracker)
    tracker.record(StageMetrics(stage="Trainer", step=0, values={"loss": 1.0}))
    tracker.record(RunFinished(status="finished"))
    assert len(messages) == 1
    assert "record is incomplete" in messages[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_after_a_full_disk_the_journal_goes_on(tracker):
    start(tracker)
    whole = tracker._file
    tracker._warn = lambda message: None
    tracker._file = os.open("/dev/full", os.O_WRONLY)
    tracker.record(StageMetrics(stage="Trainer", step=0, values={"loss": 1.0}))
    os.close(tracker._file)
    tracker._file = whole
    tracker.record(StageMetrics(stage="Trainer", step=1, values={"loss": 1.0}))
    messages = [e for e, _ in read(tracker.run)]
    assert [e.step for e in messages if isinstance(e, StageMetrics)] == [1]


def test_run_ids_sort_by_time_and_differ(tmp_path):
    a, b = new_run(tmp_path), new_run(tmp_path)
    assert a != b
    assert a.parent == tmp_path / "runs"
    assert a.name[:15] <= b.name[:15]


def test_no_tracker_imports_mlflow():
    code = (
        "import sys\nfrom pipeline.tracking import events, journal, mlflow, state, sync, system\n"
        "print([m for m in ('mlflow', 'tensorflow', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.stdout == "[]\n", out.stderr


def test_finished_is_the_last_event(tracker):
    start(tracker)
    tracker.record(RunFinished(status="killed"))
    *_, (last, _) = read(tracker.run)
    assert isinstance(last, RunFinished)
    assert last.status == "killed"
