"""Versions behind fsspec URLs: the same contract as a directory's, on a store without renames."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.versions.base import Destination, destination
from serving.versions.directory import NoSuchVersion
from serving.versions.history import origin_of


@pytest.fixture(params=["directory", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    url = tmp_path / "served" if request.param == "directory" else f"memory://{uuid.uuid4().hex}"
    return destination(str(url))


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    path = tmp_path / "saved_model"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    (path / "variables" / "variables.index").write_bytes(b"weights")
    return path


def digests(place: Destination) -> dict[int, str]:
    return {v: o.digest for v, o in place.history("m").items()}


def test_push_label_roll_back_and_retire(place: Destination, saved_model: Path) -> None:
    assert place.history("m") == {}
    assert [place.push("m", saved_model, d, None) for d in "aabc"] == [1, 1, 2, 3]
    assert place.label("m", "stable", 1) == 1
    assert place.label("m", "canary") == 3
    assert place.rollback("m") == (4, 2)
    assert place.labels("m") == {"stable": 1, "canary": 4}
    assert digests(place) == {1: "a", 2: "b", 3: "c", 4: "b"}
    assert place.history("m")[4].restores == 2
    assert place.push("m", saved_model, "d", 1) == 5
    assert digests(place) == {1: "a", 4: "b", 5: "d"}  # 4: a rollback would restore it
    assert place.place("m", 5).endswith("/m/5")
    assert place.rollback("m") == (6, 4)


def test_going_back_passes_over_what_was_only_on_trial(
    place: Destination, saved_model: Path
) -> None:
    place.push("m", saved_model, "a", None)
    place.label("m", "stable")
    for digest in "bc":
        place.push("m", saved_model, digest, None)
        place.label("m", "canary")
    place.label("m", "stable", 3)
    assert place.rollback("m") == (4, 1)
    assert place.labels("m") == {"stable": 4, "canary": 4}
    with pytest.raises(NoSuchVersion, match="no other model that was served"):
        place.rollback("m")
    place.push("m", saved_model, "d", None)
    place.label("m", "canary")
    assert place.rollback("m") == (6, 1)  # the trial ends
    assert place.labels("m") == {"stable": 6, "canary": 6}


def test_going_back_goes_along_what_was_stable(place: Destination, saved_model: Path) -> None:
    for digest in "abc":
        place.push("m", saved_model, digest, None)
    for version in (1, 3, 2):
        place.label("m", "stable", version)
    place.push("m", saved_model, "d", None)
    place.label("m", "stable", 4)
    assert [place.rollback("m") for _ in range(3)] == [(5, 2), (6, 3), (7, 1)]
    assert place.labels("m") == {"stable": 7}


def test_a_version_that_is_named_becomes_stable(place: Destination, saved_model: Path) -> None:
    for digest in "abcd":
        place.push("m", saved_model, digest, None)
    place.label("m", "stable", 3)
    place.label("m", "canary", 3)
    assert place.rollback("m", 1) == (5, 1)
    assert place.labels("m") == {"stable": 5, "canary": 5}


def test_stable_stays_where_other_models_were_served_by_default(
    place: Destination, saved_model: Path
) -> None:
    for digest in "abcd":
        place.push("m", saved_model, digest, None)
    place.label("m", "stable", 2)
    assert [place.rollback("m"), place.labels("m")] == [(5, 3), {"stable": 2}]
    assert [place.rollback("m"), place.labels("m")] == [(6, 2), {"stable": 6}]
    assert [place.rollback("m"), place.labels("m")] == [(7, 1), {"stable": 7}]


def test_old_versions_go_whatever_makes_a_new_one(place: Destination, saved_model: Path) -> None:
    for digest in "abcd":
        place.push("m", saved_model, digest, None)
    assert place.rollback("m", keep=1) == (5, 3)
    assert digests(place) == {2: "b", 4: "d", 5: "c"}
    assert place.push_again("m", 4, keep=1) == 6
    assert digests(place) == {5: "c", 6: "d"}
    assert place.history("m")[6].restores is None


def test_what_is_not_there_is_said(place: Destination, saved_model: Path) -> None:
    for act in (place.rollback, lambda m: place.label(m, "stable")):
        with pytest.raises(NoSuchVersion):
            act("m")
    place.push("m", saved_model, "a", None)
    with pytest.raises(NoSuchVersion):
        place.rollback("m")
    with pytest.raises(NoSuchVersion, match="7"):
        place.label("m", "stable", 7)
    with pytest.raises(ValueError, match="name"):
        place.push("a/b", saved_model, "a", None)
    with pytest.raises(FileNotFoundError):
        place.push_again("m", 7)
    assert list(place.history("m")) == [1]


def test_pushes_at_once_get_numbers_of_their_own(place: Destination, saved_model: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda d: place.push("m", saved_model, d, None), "abcdefgh"))
    assert sorted(got) == list(range(1, 9))
    assert sorted(digests(place).values()) == list("abcdefgh")


def test_a_version_is_there_only_with_its_last_file(saved_model: Path) -> None:
    place = destination(f"memory://{uuid.uuid4().hex}")
    written, seen = place.fs.put_file, []

    def put(source: str, target: str) -> None:
        seen.append((Path(source).name, dict(place.history("m"))))
        if len(seen) == 2:
            raise OSError("the network is gone")
        written(source, target)

    place.fs.put_file = put
    try:
        with pytest.raises(OSError, match="network"):
            place.push("m", saved_model, "a", None)
        assert place.history("m") == {}
        seen.append(("", {}))  # goes well from here
        assert place.push("m", saved_model, "a", None) == 2
    finally:
        del place.fs.put_file
    assert seen[-1] == ("saved_model.pb", {})


def test_a_version_is_fetched_whole_and_once(
    place: Destination, saved_model: Path, tmp_path: Path
) -> None:
    place.push("m", saved_model, "a", None)
    fetched = place.fetch("m", 1, tmp_path / "cache")
    for name in ("saved_model.pb", "variables/variables.index"):
        assert (fetched / name).read_bytes() == (saved_model / name).read_bytes()
    assert origin_of(fetched).digest == "a"
    assert place.fetch("m", 1, tmp_path / "cache") == fetched
