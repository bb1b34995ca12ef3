"""One model directory: versions are loaded, replaced and freed without a failed request."""

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from serving.server.monitoring import Monitoring
from serving.server.policy import Every, Latest, ModelConfig
from serving.server.saved_model import SavedModel
from serving.server.served_model import ServedModel, Target
from serving.versions.directory import Directory
from serving.versions.labels import Labels, write_labels
from serving.wire.errors import Code, ServingError
from serving.wire.names import State


@pytest.fixture
def add(tmp_path: Path, exported: Path) -> Callable[[int], Path]:
    def add_version(number: int) -> Path:
        return shutil.copytree(exported, tmp_path / str(number), dirs_exist_ok=True)

    return add_version


def served(directory: Path, config: ModelConfig | None = None) -> ServedModel:
    return ServedModel(config or ModelConfig("m", directory), SavedModel, Monitoring())


def states(model: ServedModel) -> dict[int, State]:
    return {status.number: status.state for status in model.status(Target("m"))}


def test_the_newest_version_replaces_the_one_before(
    tmp_path: Path, add: Callable[[int], Path]
) -> None:
    add(1)
    model = served(tmp_path)
    assert not model.available()
    model.refresh()
    assert states(model) == {1: State.AVAILABLE}
    add(2)
    model.refresh()
    assert states(model) == {2: State.AVAILABLE, 1: State.END}
    with model.use(Target("m")) as (number, loaded):
        assert number == 2
        assert "serving_default" in loaded.signatures
    shutil.rmtree(tmp_path / "2")
    model.refresh()
    assert states(model)[1] is State.AVAILABLE
    model.close()
    assert not model.available()


def test_a_version_is_freed_after_its_last_request(
    tmp_path: Path, add: Callable[[int], Path]
) -> None:
    add(1)
    model = served(tmp_path)
    model.refresh()
    with model.use(Target("m")) as (number, loaded):
        add(2)
        refreshing = Thread(target=model.refresh)
        refreshing.start()
        while states(model)[1] is not State.UNLOADING:
            assert refreshing.is_alive()
        with model.use(Target("m")) as (newest, _):
            assert (number, newest) == (1, 2)
        assert loaded.predict("size", _inputs())["size"].tolist() == [3.0]
    refreshing.join()
    assert states(model)[1] is State.END


def _inputs():
    import numpy as np

    return {"age": np.float32([1]), "text": np.array([b"abc"], object)}


def test_a_broken_version_is_reported_and_loaded_once_it_is_written_again(
    tmp_path: Path, add: Callable[[int], Path]
) -> None:
    add(1)
    model = served(tmp_path)
    model.refresh()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"\x01garbage")
    for _ in range(2):  # it is not loaded again while it does not change
        model.refresh()
        assert model.failed()
        assert states(model) == {2: State.END, 1: State.AVAILABLE}
    newest = model.status(Target("m", 2))[0]
    assert newest.code is Code.INVALID_ARGUMENT
    assert newest.message
    add(2)
    model.refresh()
    assert states(model) == {2: State.AVAILABLE, 1: State.END}
    assert not model.failed()


def test_labelled_versions_are_served_too(tmp_path: Path, add: Callable[[int], Path]) -> None:
    for number in (1, 2, 3):
        add(number)
    write_labels(tmp_path, Labels({"stable": 1, "gone": 9}))
    model = served(tmp_path)
    model.refresh()
    assert states(model) == {3: State.AVAILABLE, 1: State.AVAILABLE}
    with model.use(Target("m", label="stable")) as (number, _):
        assert number == 1
    gone = Target("m", label="gone")
    with (
        pytest.raises(ServingError, match="Unrecognized servable version label: gone") as caught,
        model.use(gone),
    ):
        pass
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert len(model.status(gone)) == 2  # as in TF Serving, a label does not choose here


def test_fixed_labels_override_the_file(tmp_path: Path, add: Callable[[int], Path]) -> None:
    for number in (1, 2):
        add(number)
    write_labels(tmp_path, Labels({"stable": 2}))
    model = served(tmp_path, ModelConfig("m", tmp_path, Latest(), {"stable": 1}))
    model.refresh()
    with model.use(Target("m", label="stable")) as (number, _):
        assert number == 1


def test_all_versions_can_be_served(tmp_path: Path, add: Callable[[int], Path]) -> None:
    for number in (1, 2):
        add(number)
    model = served(tmp_path, ModelConfig("m", tmp_path, Every()))
    model.refresh()
    with model.use(Target("m", 1)) as (number, _):
        assert number == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("m"), r"Servable not found for request: Latest\(m\)"),
        (Target("m", 7), r"Servable not found for request: Specific\(m, 7\)"),
    ],
)
def test_missing_versions_are_not_found(tmp_path: Path, target: Target, message: str) -> None:
    model = served(tmp_path)
    model.refresh()
    with pytest.raises(ServingError, match=message) as caught, model.use(target):
        pass
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ServingError, match=r"Could not find (any versions|version 7) of model m"):
        model.status(target)


def test_a_target_has_a_version_or_a_label() -> None:
    with pytest.raises(ServingError, match="a version or a version label, not both"):
        Target("m", 1, "stable")


def test_a_damaged_version_is_not_served(tmp_path: Path, exported: Path) -> None:
    for digest in "ab":
        Directory(tmp_path).push("m", exported, digest)
    index = tmp_path / "m/2/variables/variables.index"
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    model = served(tmp_path / "m", ModelConfig("m", tmp_path / "m", Every()))
    model.refresh()
    assert states(model) == {1: State.AVAILABLE, 2: State.END}
    [status] = model.status(Target("m", 2))
    assert status.code is Code.DATA_LOSS
    assert "2 is damaged since it was pushed: the content of variables/variables.index has" in (
        status.message
    )
    model.close()
