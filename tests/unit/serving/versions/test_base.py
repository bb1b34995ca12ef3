"""What every push destination does, on disk and in a store without renames."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.versions.base import Destination, NoSuchVersion
from serving.versions.destination import destination
from serving.versions.history import champion_version, read_origin
from serving.versions.object_store import ObjectStore


@pytest.fixture(params=["directory", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    url = tmp_path / "served" if request.param == "directory" else f"memory://{uuid.uuid4().hex}"
    return destination(str(url))


def push(place: Destination, saved_model: Path, digests: str) -> list[int]:
    """Push one model per letter; the file that is its graph holds the letter."""
    versions = []
    for digest in digests:
        (saved_model / "saved_model.pb").write_text(digest)
        versions.append(place.push("m", saved_model, digest))
    return versions


def digests(place: Destination) -> dict[int, str]:
    return {version: origin.digest for version, origin in place.history("m").items()}


def test_push_label_roll_back_and_remove_old_versions(
    place: Destination, saved_model: Path
) -> None:
    assert place.history("m") == {}
    assert push(place, saved_model, "aabc") == [1, 1, 2, 3]
    assert place.label("m", "stable", 1) == 1
    assert place.label("m", "canary") == 3
    assert place.rollback("m") == (4, 2)
    assert place.labels("m") == {"stable": 1, "canary": 4}
    assert digests(place) == {1: "a", 2: "b", 3: "c", 4: "b"}
    assert place.history("m")[4].restores == 2
    assert place.push("m", saved_model, "d", keep=1) == 5
    assert digests(place) == {1: "a", 4: "b", 5: "d"}  # a rollback would restore 4
    assert place.location("m", 5).endswith("/m/5")
    assert place.location("m").endswith("/m")
    assert place.rollback("m") == (6, 4)


def test_a_model_that_was_pushed_before_keeps_its_version(
    place: Destination, saved_model: Path
) -> None:
    assert push(place, saved_model, "aabba") == [1, 1, 2, 2, 1]


def test_a_rollback_publishes_earlier_content_under_a_new_number(
    place: Destination, saved_model: Path, tmp_path: Path
) -> None:
    push(place, saved_model, "abc")
    assert place.rollback("m") == (4, 2)
    assert (place.fetch("m", 4, tmp_path / "cache") / "saved_model.pb").read_text() == "b"
    assert place.rollback("m") == (5, 1)  # not forward to c
    with pytest.raises(NoSuchVersion, match="no other model"):
        place.rollback("m")
    assert push(place, saved_model, "d") == [6]
    assert place.rollback("m") == (7, 1)  # the model served before d
    assert place.rollback("m", to=3) == (8, 3)
    assert list(digests(place).values()) == list("abcbadac")
    assert place.history("m")[2].restores is None
    with pytest.raises(NoSuchVersion, match="no version 9"):
        place.rollback("m", to=9)


def test_labels_follow_a_rollback(place: Destination, saved_model: Path) -> None:
    assert place.labels("m") == {}
    push(place, saved_model, "a")
    assert place.label("m", "stable") == 1
    push(place, saved_model, "b")
    place.label("m", "canary")
    assert place.labels("m") == {"stable": 1, "canary": 2}
    place.rollback("m")
    assert place.labels("m") == {"stable": 3, "canary": 3}


def test_a_rollback_skips_models_that_were_only_on_trial(
    place: Destination, saved_model: Path
) -> None:
    push(place, saved_model, "a")
    place.label("m", "stable")
    for digest in "bc":
        push(place, saved_model, digest)
        place.label("m", "canary")
    place.label("m", "stable", 3)
    assert place.rollback("m") == (4, 1)
    assert place.labels("m") == {"stable": 4, "canary": 4}
    with pytest.raises(NoSuchVersion, match="no other model that was served"):
        place.rollback("m")
    push(place, saved_model, "d")
    place.label("m", "canary")
    assert place.rollback("m") == (6, 1)  # the trial ends
    assert place.labels("m") == {"stable": 6, "canary": 6}


def test_a_trial_version_remains_one_when_its_label_moves_on(
    place: Destination, saved_model: Path
) -> None:
    for version in push(place, saved_model, "abc"):
        place.label("m", "canary" if version > 1 else "stable", version)
    assert place.trial_versions("m") == {2, 3}
    assert champion_version(place.history("m"), "d", place.trial_versions("m")) == 1
    place.label("m", "stable", 3)
    assert place.trial_versions("m") == {2}


def test_rollbacks_go_back_along_the_stable_versions(place: Destination, saved_model: Path) -> None:
    push(place, saved_model, "abc")
    for version in (1, 3, 2):
        place.label("m", "stable", version)
    push(place, saved_model, "d")
    place.label("m", "stable", 4)
    assert [place.rollback("m") for _ in range(3)] == [(5, 2), (6, 3), (7, 1)]
    assert place.labels("m") == {"stable": 7}


def test_a_version_that_the_operator_names_becomes_stable(
    place: Destination, saved_model: Path
) -> None:
    push(place, saved_model, "abcd")
    place.label("m", "stable", 3)
    place.label("m", "canary", 3)
    assert place.rollback("m", 1) == (5, 1)
    assert place.labels("m") == {"stable": 5, "canary": 5}


def test_stable_stays_while_other_models_are_served_by_default(
    place: Destination, saved_model: Path
) -> None:
    push(place, saved_model, "abcd")
    place.label("m", "stable", 2)
    assert [place.rollback("m"), place.labels("m")] == [(5, 3), {"stable": 2}]
    assert [place.rollback("m"), place.labels("m")] == [(6, 2), {"stable": 6}]
    assert [place.rollback("m"), place.labels("m")] == [(7, 1), {"stable": 7}]


def test_pushes_remove_old_versions_but_keep_the_needed_ones(
    place: Destination, saved_model: Path
) -> None:
    def keep_two(digest: str) -> int:
        return place.push("m", saved_model, digest, keep=2)

    assert [keep_two(digest) for digest in "abc"] == [1, 2, 3]
    assert list(place.history("m")) == [2, 3]
    place.label("m", "stable", 2)
    assert [keep_two(digest) for digest in "de"] == [4, 5]
    assert list(place.history("m")) == [2, 4, 5]
    assert place.push("m", saved_model, "f", keep=1) == 6
    assert list(place.history("m")) == [2, 5, 6]  # a rollback would restore 5


def test_rollbacks_and_repeated_pushes_remove_old_versions_too(
    place: Destination, saved_model: Path
) -> None:
    push(place, saved_model, "abcd")
    assert place.rollback("m", keep=2) == (5, 3)
    assert digests(place) == {2: "b", 4: "d", 5: "c"}  # 2: the next one to roll back to
    assert place.rollback("m", keep=1) == (6, 2)
    assert digests(place) == {4: "d", 6: "b"}  # 4: else an unchanged spec would push it again
    assert place.push_again("m", 4, keep=1) == 7
    assert digests(place) == {6: "b", 7: "d"}
    assert place.history("m")[7].restores is None
    assert place.rollback("m") == (8, 6)  # 7 counts as pushed, not as a rollback


def test_errors_for_what_does_not_exist(place: Destination, saved_model: Path) -> None:
    for act in (place.rollback, lambda model: place.label(model, "stable")):
        with pytest.raises(NoSuchVersion, match="holds no version"):
            act("m")
    push(place, saved_model, "a")
    with pytest.raises(NoSuchVersion, match="no other model that was served"):
        place.rollback("m")
    with pytest.raises(NoSuchVersion, match="no version 7"):
        place.label("m", "stable", 7)
    with pytest.raises(FileNotFoundError, match="/m/7 does not exist"):
        place.push_again("m", 7)
    assert list(place.history("m")) == [1]


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "../a", ".hidden", "ä", "a b"])
def test_names_that_fit_no_path_are_refused(
    place: Destination, saved_model: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="model name"):
        place.push(name, saved_model, "a")
    push(place, saved_model, "a")
    with pytest.raises(ValueError, match="Expected a label"):
        place.label("m", name)


def test_simultaneous_pushes_get_different_numbers(place: Destination, saved_model: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda d: place.push("m", saved_model, d), "abcdefgh"))
    assert sorted(versions) == list(range(1, 9))
    assert sorted(digests(place).values()) == list("abcdefgh")


def test_a_version_is_fetched_whole_and_once(
    place: Destination, saved_model: Path, tmp_path: Path
) -> None:
    push(place, saved_model, "a")
    fetched = place.fetch("m", 1, tmp_path / "cache")
    for name in ("saved_model.pb", "variables/variables.index"):
        assert (fetched / name).read_bytes() == (saved_model / name).read_bytes()
    assert read_origin(fetched).digest == "a"
    assert place.fetch("m", 1, tmp_path / "cache") == fetched


def test_a_damaged_version_is_noticed_not_restored_and_pushed_again(saved_model: Path) -> None:
    root = saved_model.parent / "served"
    url = f"memory://{uuid.uuid4().hex}"
    for place in (destination(str(root)), destination(url)):
        push(place, saved_model, "ab")
        assert place.damage("m", 1, "digests") == []
        _damage(place, "variables/variables.index", b"weight!")
        assert place.damage("m", 1) == []
        said = ["the content of variables/variables.index has changed"]
        assert place.damage("m", 1, "checksums") == place.damage("m", 1, "digests") == said
        with pytest.raises(NoSuchVersion, match="1 is damaged: the content of variables/"):
            place.rollback("m")
        with pytest.raises(NoSuchVersion, match="damaged"):
            place.push_again("m", 1)
        _damage(place, "variables/variables.index", b"weigh")
        assert place.damage("m", 1) == ["variables/variables.index has 5 bytes instead of 7"]
        _damage(place, "variables/variables.index", None)
        assert place.damage("m", 1) == ["variables/variables.index is missing"]
        assert push(place, saved_model, "a") == [3]
        assert push(place, saved_model, "a") == [3]
        assert place.damage("m", 3, "digests") == []
        assert place.rollback("m", 3) == (4, 3)
        assert place.damage("m", 4, "digests") == []


def _damage(place: Destination, name: str, content: bytes | None) -> None:
    """Give a file of version 1 another content, or delete it."""
    if isinstance(place, ObjectStore):
        path = place._path("m", "1", name)
        place.fs.rm(path)
        if content is not None:
            place.fs.pipe_file(path, content)
        return
    file = Path(place.location("m", 1)) / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
