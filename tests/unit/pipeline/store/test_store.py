import json
import multiprocessing
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Examples, Schema
from components.errors import RootstockError
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Attempt, Store

ME = Identity("ExampleGen", "{}", {}, {})


@dataclass(frozen=True)
class Outputs:
    examples: Examples
    schema: Schema


def write(place: Attempt, text: str = "x") -> Outputs:
    for name in ("examples", "schema"):
        (place.output / name).mkdir()
        (place.output / name / "file").write_text(text)
    return Outputs(Examples(place.output / "examples"), Schema(place.output / "schema"))


def left_over(root: Path) -> list[str]:
    return sorted(p.name for p in root.rglob(".*"))


def test_publish_then_find(tmp_path: Path) -> None:
    store = Store(tmp_path / "s").open()
    assert store.find(ME) is None
    with store.attempt(ME) as place:
        (place.scratch / "checkpoint").write_text("…")
        entry = store.publish(ME, place, write(place), {"rows": 3}, 1.5)
    found = store.find(ME)
    assert found == entry
    assert found is not None
    assert found.figures == {"rows": 3}
    outputs = found.load(Outputs)
    assert isinstance(outputs.schema, Schema)
    assert (outputs.schema.path / "file").read_text() == "x"
    assert outputs.schema.digest
    assert left_over(tmp_path) == []
    assert store.latest("ExampleGen") == entry


def test_a_failed_attempt_publishes_nothing_and_keeps_its_scratch(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with pytest.raises(ZeroDivisionError), store.attempt(ME) as place:
        (place.scratch / "checkpoint").write_text("epoch 3")
        write(place)
        raise ZeroDivisionError
    assert store.find(ME) is None
    with store.attempt(ME) as place:
        assert (place.scratch / "checkpoint").read_text() == "epoch 3"


def test_a_stage_that_raises_file_not_found_is_not_tried_twice(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with pytest.raises(FileNotFoundError), store.attempt(ME):
        raise FileNotFoundError


def test_an_output_in_the_wrong_place_is_an_internal_error(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.attempt(ME) as place:
        outputs = write(place)
        wrong = Outputs(outputs.examples, Schema(place.output / "examples"))
        with pytest.raises(ValueError, match="must write output 'schema'"):
            store.publish(ME, place, wrong, {}, 0.0)


def test_an_entry_with_a_broken_record_is_no_entry(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.attempt(ME) as place:
        entry = store.publish(ME, place, write(place), {}, 0.0)
    (entry.path / "artifact.json").write_text('{"half": ')
    assert store.find(ME) is None
    with store.attempt(ME) as place:
        store.publish(ME, place, write(place, "again"), {}, 0.0)
    again = store.find(ME)
    assert again is not None
    assert (again.load(Outputs).schema.path / "file").read_text() == "again"


def _killed_while_writing(root: str) -> None:
    store = Store(Path(root)).open()
    with store.attempt(ME) as place:
        write(place)
        os.kill(os.getpid(), signal.SIGKILL)


def test_leftovers_of_a_killed_process_are_never_read_and_are_removed(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_killed_while_writing, args=(str(tmp_path),)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert any(n.startswith(".new-") for n in left_over(tmp_path))
    store = Store(tmp_path).open()
    assert not any(n.startswith(".new-") for n in left_over(tmp_path))
    assert store.find(ME) is None
    with store.attempt(ME) as place:
        store.publish(ME, place, write(place), {}, 0.0)
    assert left_over(tmp_path) == []


def test_sweeping_spares_an_attempt_in_progress(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.attempt(ME) as place:
        outputs = write(place)
        Store(tmp_path).open()
        store.publish(ME, place, outputs, {}, 0.0)
    assert store.find(ME) is not None


def _two_writers(root: str, text: str) -> None:
    store = Store(Path(root)).open()
    with store.attempt(ME) as place:
        store.publish(ME, place, write(place, text), {}, 0.0)


def test_two_writers_of_one_fingerprint_both_succeed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_two_writers, args=(str(tmp_path), t)) for t in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [p.exitcode for p in both] == [0, 0]
    entry = Store(tmp_path).find(ME)
    assert entry is not None
    texts = {(entry.path / n / "file").read_text() for n in ("examples", "schema")}
    assert texts in ({"a"}, {"b"})


def test_a_full_disk_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(RootstockError, match="no space left"), store.attempt(ME) as place:
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            write(place, "x" * 10_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)
    assert store.find(ME) is None


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((RootstockError, NotADirectoryError)):
        Store(tmp_path / "file" / "store").open()


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.attempt(ME) as place:
        entry = store.publish(ME, place, write(place), {"auc": 0.5}, 2.0)
    record = json.loads((entry.path / "artifact.json").read_text())
    assert record["outputs"]["examples"]["type"] == "Examples"
    assert record["identity"]["stage"] == "ExampleGen"
    assert "tensorflow" in record["versions"]
