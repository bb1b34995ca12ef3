import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Examples, Schema
from components.errors import RootstockError
from components.stage import Context, Stage
from pipeline.runner import Runner
from pipeline.store.entry import RECORD, Entry
from pipeline.store.fingerprint import Identity, identify
from pipeline.store.mirror import Withdrawn
from pipeline.store.place import checked, local
from pipeline.store.store import Attempt, Store
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
ME = Identity("ExampleGen", "{}", {}, {})
URL = "bucket://b/store"


@dataclass(frozen=True)
class Outputs:
    examples: Examples
    schema: Schema


@dataclass(frozen=True)
class Nothing:
    pass


def write(place: Attempt, text: str = "x") -> Outputs:
    for name in ("examples", "schema"):
        (place.output / name / "train").mkdir(parents=True)
        (place.output / name / "train" / "file").write_text(f"{name} {text}")
        (place.output / name / "same").write_text(f"{name} {text}")
    return Outputs(Examples(place.output / "examples"), Schema(place.output / "schema"))


def published(store: Store, text: str = "x") -> Entry:
    with store.attempt(ME) as place:
        return store.publish(ME, place, write(place, text), {"rows": 3}, 1.5)


def opened(machine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / machine))
    return Store(local(URL)).open()


def test_another_machine_finds_a_result_with_one_request_and_fetches_what_it_reads(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = published(opened("a", monkeypatch, tmp_path))
    names = [path for kind, path in bucket.requests if kind == "put"]
    assert names[-1].endswith(RECORD)
    assert sum("/parts/" in name for name in names) == 2  # one for each content
    other = opened("b", monkeypatch, tmp_path)
    bucket.requests.clear()
    found = other.find(ME)
    assert found == other.find(ME)
    assert [kind for kind, _ in bucket.requests] == ["get", "get"]
    assert found is not None
    assert found.outputs == entry.outputs
    assert found.present() == []
    schema = found.load(Outputs).schema
    assert found.present() == []
    assert (schema.path / "train" / "file").read_text() == "schema x"
    assert (schema.path / "same").read_text() == "schema x"
    assert found.present() == ["schema"]
    assert len(bucket.requests) == 3
    assert schema.path.is_dir()
    assert len(bucket.requests) == 3
    assert not any(kind == "list" for kind, _ in bucket.requests)


def test_an_input_is_fetched_where_it_is_read_also_in_another_process(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pickle

    published(opened("a", monkeypatch, tmp_path))
    found = opened("b", monkeypatch, tmp_path).find(ME)
    assert found is not None
    sent = pickle.loads(pickle.dumps(found.load(Outputs)))
    assert not sent.examples.place.exists()
    assert (sent.examples.path / "same").read_text() == "examples x"


def test_the_first_writer_wins_and_the_other_takes_its_result(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, fast = (opened(name, monkeypatch, tmp_path) for name in "ab")
    with slow.attempt(ME) as place:
        outputs = write(place, "slow")
        first = published(fast, "fast")
        entry = slow.publish(ME, place, outputs, {}, 9.0)
    assert entry.outputs == first.outputs
    assert (entry.load(Outputs).schema.path / "same").read_text() == "schema fast"
    assert slow.find(ME) == entry


def test_what_another_machine_publishes_while_a_stage_begins_is_not_withdrawn(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, fast = (opened(name, monkeypatch, tmp_path) for name in "ab")
    looks, first = list[str](), list[Entry]()

    @dataclass(frozen=True)
    class Slow(Stage[Nothing, Outputs]):
        def run(self, inputs: Nothing, context: Context) -> Outputs:
            return write(Attempt(context.output, context.scratch), "slow")

    identity = identify(Slow(), Nothing())

    def then(kind: str, path: str) -> None:
        looks.append(path)
        if len(looks) == 3:  # it has looked twice for a result
            with fast.attempt(identity) as place:
                first.append(fast.publish(identity, place, write(place, "fast"), {}, 1.0))

    with Runner(slow) as run:
        bucket.fault = staticmethod(then)
        made = run(Slow(), Nothing())
    assert (made.schema.path / "same").read_text() == "schema fast"
    found = slow.find(identity)
    assert found is not None
    assert found.created == first[0].created


def test_of_an_entry_that_is_no_longer_valid_another_one_is_published_instead(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = opened("a", monkeypatch, tmp_path)
    old = published(store)
    with store.attempt(ME) as place:
        store.discard(store.place(ME))
        new = store.publish(ME, place, write(place, "new"), {}, 2.0, instead=old)
    assert new.outputs != old.outputs
    found = opened("b", monkeypatch, tmp_path).find(ME)
    assert found is not None
    assert found.outputs == new.outputs


def test_processes_that_share_a_cache_find_a_result_at_the_same_time(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published(opened("a", monkeypatch, tmp_path))
    stores = [opened("b", monkeypatch, tmp_path) for _ in range(8)]
    for _ in range(5):

        def read(store: Store) -> str:
            found = store.find(ME)
            assert found is not None
            return (found.load(Outputs).schema.path / "same").read_text()

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(read, stores)) == {"schema x"}
        shutil.rmtree(stores[0].place(ME))


def test_an_open_store_is_not_opened_again(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = opened("a", monkeypatch, tmp_path)
    bucket.requests.clear()
    with Runner(store):
        assert bucket.requests == []


def test_a_store_that_dies_loses_no_result(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = opened("a", monkeypatch, tmp_path)

    def dead(kind: str, path: str) -> None:
        if kind == "put" and path.endswith(RECORD):
            raise ConnectionError("no route to host")

    bucket.fault = staticmethod(dead)
    with pytest.raises(RootstockError, match=r"repeated for a while .*no route.*(\n.*)*uploads it"):
        published(store)
    bucket.fault = None
    assert opened("b", monkeypatch, tmp_path).find(ME) is None  # nothing is half-published
    again = opened("a", monkeypatch, tmp_path).find(ME)
    assert again is not None
    other = opened("b", monkeypatch, tmp_path).find(ME)
    assert other is not None
    assert other.outputs == again.outputs


def test_busy_stores_are_asked_again(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: set[str] = set()

    def busy(kind: str, path: str) -> None:
        if path not in asked:
            asked.add(path)
            raise OSError(16, "SlowDown: please reduce your request rate")

    bucket.fault = staticmethod(busy)
    store = opened("a", monkeypatch, tmp_path)
    assert published(store) == store.find(ME)


class NoCredentialsError(Exception):
    """As that of botocore, which is known by its name."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoCredentialsError("Unable to locate credentials"), "no valid credentials"),
        (PermissionError("Access Denied"), r"was denied \(Access Denied\)"),
        (OSError(22, "region 'us-east-1' is wrong; expecting 'eu-west-1'"), "expecting 'eu-west"),
    ],
)
def test_what_waiting_cannot_help_is_an_error_at_once(
    bucket: type[Bucket],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: Exception,
    message: str,
) -> None:
    def fault(kind: str, path: str) -> None:
        raise error

    bucket.fault = staticmethod(fault)
    with pytest.raises(RootstockError, match=message):
        opened("a", monkeypatch, tmp_path)
    assert len(bucket.requests) == 1


def test_a_store_that_cannot_be_written_gives_results_but_takes_none(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published(opened("a", monkeypatch, tmp_path))

    def read_only(kind: str, path: str) -> None:
        if kind != "get":
            raise PermissionError("Access Denied")

    bucket.fault = staticmethod(read_only)
    store = opened("b", monkeypatch, tmp_path)
    found = store.find(ME)
    assert found is not None
    assert found.load(Outputs).schema.path.is_dir()
    with pytest.raises(RootstockError, match="denied"):
        store.check()


def test_a_lost_part_is_not_used_and_its_result_is_made_again(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published(opened("a", monkeypatch, tmp_path))
    for path in [p for p in bucket.store if "/parts/" in p]:
        bucket.store.pop(path)
    store = opened("b", monkeypatch, tmp_path)
    found = store.find(ME)
    assert found is not None
    with pytest.raises(Withdrawn, match="is damaged"):
        _ = found.load(Outputs).schema.path
    assert store.find(ME) is None
    assert published(store, "again") == store.find(ME)


def test_a_damaged_copy_is_fetched_again(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = opened("a", monkeypatch, tmp_path)
    entry = published(store)
    (entry.path / "schema" / "same").write_text("rotten")
    found = store.find(ME)
    assert found is not None
    assert (found.load(Outputs).schema.path / "same").read_text() == "schema x"


def test_what_the_remote_store_lost_is_uploaded_from_a_whole_copy_only(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = opened("a", monkeypatch, tmp_path)
    entry = published(store)
    bucket.store.clear()
    assert store.find(ME) == entry
    assert opened("b", monkeypatch, tmp_path).find(ME) is not None
    bucket.store.clear()
    shutil.rmtree(entry.path / "schema")
    assert store.find(ME) is None


def test_addresses(bucket: type[Bucket], tmp_path: Path) -> None:
    assert local("/a/b") == Path("/a/b") == local("file:///a/b")
    assert local("bucket://b/x/") == local("bucket://b/x") != local("bucket://b/y")
    with pytest.raises(RootstockError, match="without passwords"):
        checked("s3://key:secret@bucket/x")
    with pytest.raises(RootstockError, match="unknown kind of URL, s4://"):
        Store(local("s4://b/x")).open()
