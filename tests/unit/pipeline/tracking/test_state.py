from pipeline.tracking.events import RunFinished
from pipeline.tracking.journal import JournalTracker
from pipeline.tracking.state import SyncState, load_state, pending, save_state

URI = "sqlite:///a.db"


def test_pending_runs_are_those_not_wholly_sent(tmp_path):
    for name in ("b", "a", "c"):
        tracker = JournalTracker(tmp_path / "runs" / name, print)
        tracker.record(RunFinished(status="finished"))
    save_state(SyncState(offset=1, done=True), tmp_path / "runs" / "a", URI)
    save_state(SyncState(offset=1), tmp_path / "runs" / "b", URI)
    assert [run.name for run in pending(tmp_path, URI)] == ["b", "c"]
    assert len(pending(tmp_path, "sqlite:///another.db")) == 3


def test_nothing_is_pending_in_a_store_without_runs(tmp_path):
    assert pending(tmp_path, URI) == []


def test_state_survives_and_a_broken_one_is_begun_again(tmp_path):
    state = SyncState(offset=7, runs={"": "1", "Trainer": "2"}, datasets={"d": "{}"})
    save_state(state, tmp_path, URI)
    assert load_state(tmp_path, URI) == state
    for file in tmp_path.glob("sync-*"):
        file.write_text("{")
    assert load_state(tmp_path, URI) == SyncState()
