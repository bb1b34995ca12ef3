import io
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.artifacts import Examples
from components.errors import RootstockError
from components.stage import Context, Stage
from components.training.stored_copy import StoredCopy
from pipeline.display import LineDisplay, StageResult, summary
from pipeline.phases import Reached
from pipeline.runner import Runner
from pipeline.store import integrity
from pipeline.store.entry import RECORD
from pipeline.store.fingerprint import identify
from pipeline.store.integrity import SETTLED_NS
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.tracking.events import RunFinished
from pipeline.tracking.journal import JournalTracker, read
from serving import manifest
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


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


@dataclass(frozen=True)
class Text:
    made: Examples


@dataclass(frozen=True)
class Copy(Stage[Text, Made]):
    """A stage that copies its input, and keeps a checkpoint of it where the store is behind a URL.
    If there is a file `meddle`, its input changes meanwhile.
    """

    meddle: str = field(default="", metadata={"fingerprint": False})

    def run(self, inputs: Text, context: Context) -> Made:
        path = context.output / "made"
        if (kept := StoredCopy.of(context)) is not None:
            checkpoint = context.scratch / "checkpoint"
            kept.fetch(checkpoint)
            assert not checkpoint.exists()
            checkpoint.write_text("of this input")
            kept.write(checkpoint)
        shutil.copytree(inputs.made.path, path)
        if self.meddle:
            (inputs.made.path / "text").write_text("x")
        return Made(Examples(path))


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    return tmp_path / "counter"


def runner(tmp_path: Path, out: io.StringIO | None = None, **options: bool | int | str) -> Runner:
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
    assert [r.cached for r in run.results] == [False, False], "told once in a run"
    with runner(tmp_path) as later:
        assert later(Make("a", str(counter)), Nothing()) == first
    assert counter.read_text() == "xx"
    assert [r.cached for r in later.results] == [True]
    assert "rows 2" in summary(run.results, tmp_path / "store")
    assert (first.made.path / "text").read_text() == "a"


def test_the_closing_table_says_how_many_figures_it_leaves_out(tmp_path: Path) -> None:
    figures = tuple((f"task{i} auc", 0.5) for i in range(16))
    text = summary([StageResult("Evaluator", False, 1.0, figures, tmp_path / "e")], tmp_path)
    assert "task4 auc 0.5," in text
    assert "task5" not in text
    assert "and 11 more" in text


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


def test_a_damaged_result_is_made_again_and_the_table_says_so(
    tmp_path: Path, counter: Path
) -> None:
    with runner(tmp_path) as run:
        made = run(Make("abc", str(counter)), Nothing()).made
    damages: list[Callable[[Path], object]] = [
        Path.unlink,
        lambda file: file.write_text("abd"),
        lambda file: file.write_text("ab"),
        lambda file: (file.parent / "more").write_text("ab"),
        lambda file: (file.parents[1] / RECORD).unlink(),
        lambda file: (file.parents[1] / RECORD).write_text(
            (file.parents[1] / RECORD).read_text().replace('"rows": 2', '"rows": 3')
        ),
    ]
    for damage in damages:
        damage(made.path / "text")
        out = io.StringIO()
        with runner(tmp_path, out) as run:
            assert run(Make("abc", str(counter)), Nothing()).made == made
        assert (made.path / "text").read_text() == "abc"
        assert [p.name for p in made.path.iterdir()] == ["text"]
        assert "Make: the cached result is damaged and is made again: " in out.getvalue()
        assert "made again: was damaged" in summary(run.results, tmp_path / "store")
        assert not run.results[0].cached


def test_a_cached_result_is_not_read(
    tmp_path: Path, counter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runner(tmp_path) as run:
        run(Make("abc", str(counter)), Nothing())
    time.sleep(2 * SETTLED_NS / 1e9)
    Store(tmp_path / "store").find(identify(Make("abc", str(counter)), Nothing()))
    monkeypatch.setattr(manifest, "_has_content", None)
    with runner(tmp_path) as run:
        run(Make("abc", str(counter)), Nothing())
    assert run.results[0].cached


def test_an_input_is_read_and_made_again_before_a_stage_reads_it(
    tmp_path: Path, counter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses bits does not change the times of files."""
    out = io.StringIO()
    with runner(tmp_path, out) as run:
        made = run(Make("abc", str(counter)), Nothing()).made
        (made.path / "text").write_text("abd")
        copied = run(Copy(), Text(made)).made
    assert (copied.path / "text").read_text() == "abc"
    assert [(r.stage, r.damaged) for r in run.results] == [
        ("Make", False),
        ("Make", True),
        ("Copy", False),
    ]
    monkeypatch.setattr(integrity, "_stamp", lambda info: (info.st_size, 0, 0))
    time.sleep(2 * SETTLED_NS / 1e9)
    Store(tmp_path / "store").find(identify(Make("abc", str(counter)), Nothing()))
    (made.path / "text").write_text("abd")
    shutil.rmtree(copied.path.parent)
    with runner(tmp_path, out) as run:
        assert run(Make("abc", str(counter)), Nothing()).made == made
        assert run.results[0].cached
        assert run(Copy(), Text(made)).made == copied
    assert (copied.path / "text").read_text() == "abc"


def test_an_input_of_unknown_origin_that_is_damaged_is_an_error(
    tmp_path: Path, counter: Path
) -> None:
    with runner(tmp_path) as run:
        made = run(Make("abc", str(counter)), Nothing()).made
    (made.path / "text").write_text("abd")
    with runner(tmp_path) as run, pytest.raises(RootstockError, match="content of text has chan"):
        run(Copy(), Text(made))
    assert not made.path.exists()


def test_an_input_that_changes_while_a_stage_reads_it_is_an_error(
    tmp_path: Path, counter: Path
) -> None:
    with runner(tmp_path) as run:
        made = run(Make("abc", str(counter)), Nothing()).made
        with pytest.raises(RootstockError, match="changed while Copy read it"):
            run(Copy(meddle="yes"), Text(made))
        assert (run(Copy(), Text(made)).made.path / "text").read_text() == "abc"


def test_no_attempt_goes_on_from_one_whose_input_changed(
    bucket: type[Bucket], tmp_path: Path, counter: Path
) -> None:
    store = Store(local("bucket://b/store")).open()
    with Runner(store, display=LineDisplay(io.StringIO())) as run:
        made = run(Make("abc", str(counter)), Nothing()).made
        with pytest.raises(RootstockError, match="changed while Copy read it"):
            run(Copy(meddle="yes"), Text(made))
        assert not [name for name in bucket.store if name.endswith("work/checkpoint")]
        run(Copy(), Text(made))


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


@dataclass(frozen=True)
class Trainer(Make):
    """A stage with a place in the order of `pipeline.phases`."""


@dataclass(frozen=True)
class InfraValidator(Make):
    pass


@dataclass(frozen=True)
class Evaluator(Make):
    pass


def test_it_ends_before_a_stage_that_comes_after_the_last_one(tmp_path: Path) -> None:
    counter = str(tmp_path / "counter")
    with runner(tmp_path, until="InfraValidator") as run:
        run(Trainer("a", counter), Nothing())
        run.start(InfraValidator("b", counter), Nothing())
        with pytest.raises(Reached):
            run(Evaluator("c", counter), Nothing())
        assert [r.stage for r in run.results] == ["Trainer", "InfraValidator"]
    with runner(tmp_path, until="Trainer") as run, pytest.raises(Reached):
        run.start(InfraValidator("d", counter), Nothing())


def test_a_stage_in_the_background_that_fails_is_not_forgotten_at_the_end(tmp_path: Path) -> None:
    counter = str(tmp_path / "counter")
    with runner(tmp_path, until="InfraValidator") as run:
        run.start(InfraValidator("b", counter, fail="user"), Nothing())
        with pytest.raises(RootstockError, match="row 7"):
            run(Evaluator("c", counter), Nothing())
