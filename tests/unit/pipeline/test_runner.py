import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Examples
from components.errors import RootstockError
from components.stage import Context, Stage
from pipeline.display import LineDisplay, StageResult, summary
from pipeline.runner import Runner
from pipeline.store.store import Store
from pipeline.tracking.events import RunFinished
from pipeline.tracking.journal import JournalTracker, read


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Made:
    made: Examples


@dataclass(frozen=True)
class Make(Stage[Nothing, Made]):
    """A stage that writes `text` and counts its runs in a file outside the store."""

    text: str
    counter: str
    fail: str = ""

    def run(self, inputs: Nothing, context: Context) -> Made:
        with open(self.counter, "a") as file:
            file.write("x")
        runs = Path(self.counter).stat().st_size
        if self.fail == "once" and runs == 1:
            raise OSError("the network hiccuped")
        if self.fail == "user":
            raise RootstockError("row 7: expected a number")
        context.observer.progress(1, 2, "rows")
        context.observer.metrics(0, {"loss": 0.5})
        context.observer.figure("rows", 2)
        context.observer.warn("careful")
        path = context.output / "made"
        path.mkdir()
        (path / "text").write_text(self.text)
        return Made(Examples(path))

    def still_valid(self, outputs: object) -> bool:
        return Path(self.counter).exists()


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    return tmp_path / "counter"


def runner(tmp_path: Path, out: io.StringIO | None = None, **options: bool | int) -> Runner:
    display = LineDisplay(out or io.StringIO())
    return Runner(Store(tmp_path / "store"), display=display, **options)  # type: ignore[arg-type]


def test_a_stage_runs_once_for_one_fingerprint(tmp_path: Path, counter: Path) -> None:
    with runner(tmp_path) as run:
        first = run(Make("a", str(counter)), Nothing())
        again = run(Make("a", str(counter)), Nothing())
        other = run(Make("b", str(counter)), Nothing())
    assert first == again
    assert first.made.digest != other.made.digest
    assert counter.read_text() == "xx"
    assert [r.cached for r in run.results] == [False, True, False]
    assert "rows 2" in summary(run.results, tmp_path / "store")
    assert (first.made.path / "text").read_text() == "a"


def test_the_closing_table_says_how_many_figures_it_leaves_out(tmp_path: Path) -> None:
    figures = tuple((f"task{i} auc", 0.5) for i in range(16))
    text = summary([StageResult("Evaluator", False, 1.0, figures, tmp_path / "e")], tmp_path)
    assert "task4 auc 0.5, and 11 more" in text


def test_stages_can_run_in_parallel(tmp_path: Path, counter: Path) -> None:
    with runner(tmp_path) as run:
        future = run.start(Make("a", str(counter)), Nothing())
        run(Make("b", str(counter)), Nothing())
        assert (future.result().made.path / "text").read_text() == "a"


def test_a_stage_runs_again_if_its_effect_outside_the_store_is_gone(
    tmp_path: Path, counter: Path
) -> None:
    with runner(tmp_path) as run:
        run(Make("a", str(counter)), Nothing())
        counter.unlink()
        run(Make("a", str(counter)), Nothing())
    assert [r.cached for r in run.results] == [False, False]


def test_a_transient_error_is_retried_if_requested(tmp_path: Path, counter: Path) -> None:
    with runner(tmp_path) as run, pytest.raises(OSError, match="hiccuped"):
        run(Make("a", str(counter), "once"), Nothing())
    counter.unlink()
    with runner(tmp_path, retries=1) as run:
        run(Make("a", str(counter), "once"), Nothing())
    assert counter.read_text() == "xx"


def test_errors_that_the_user_must_fix_are_not_retried(tmp_path: Path, counter: Path) -> None:
    with runner(tmp_path, retries=3) as run, pytest.raises(RootstockError, match="row 7"):
        run(Make("a", str(counter), "user"), Nothing())
    assert counter.read_text() == "x"


def test_explain_names_the_cause(tmp_path: Path, counter: Path) -> None:
    out = io.StringIO()
    with runner(tmp_path, out, explain=True) as run:
        run(Make("a", str(counter)), Nothing())
        run(Make("b", str(counter)), Nothing())
    assert "Make: has no earlier result" in out.getvalue()
    assert "Make: changed since its last result: parameter text" in out.getvalue()


def test_the_tracker_gets_every_event(tmp_path: Path, counter: Path) -> None:
    tracker = JournalTracker(tmp_path / "runs" / "r", lambda _: None)
    with Runner(Store(tmp_path / "s"), tracker, LineDisplay(io.StringIO())) as run:
        run(Make("a", str(counter)), Nothing())
        with pytest.raises(RootstockError):
            run(Make("a", str(counter), "user"), Nothing())
    tracker.record(RunFinished(status="failed"))
    events = [event for event, _ in read(tmp_path / "runs" / "r")]
    kinds = [event.kind for event in events]
    assert kinds == [
        "stage_started",
        "metrics",
        "stage_finished",
        "stage_started",
        "stage_failed",
        "run_finished",
    ]


def test_lines_show_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("pipeline.display.time.monotonic", lambda: clock[0])
    out = io.StringIO()
    display = LineDisplay(out)
    for clock[0], done in ((0.0, 0), (5.0, 50), (6.0, 60), (10.0, 80)):
        display.progress("S", done, 100, "rows", "")
    assert out.getvalue().splitlines() == [
        "  S: 50 of 100 rows, 10/s, 5 s left",
        "  S: 80 of 100 rows, 8/s, 2 s left",
    ]
