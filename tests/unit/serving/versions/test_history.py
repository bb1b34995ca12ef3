"""Origins of versions, and which version a candidate is compared with."""

from pathlib import Path

import pytest

from serving.versions.history import (
    FILE,
    LARGEST_VERSION,
    Origin,
    champion_version,
    digest_of,
    next_version,
    original_if_kept,
    original_version,
    previous_model,
    read_history,
    read_origin,
    same_model,
    version_number,
    version_numbers,
    version_path,
    version_paths,
)
from serving.versions.labels import on_trial


def test_a_missing_directory_has_no_versions(tmp_path: Path) -> None:
    assert version_numbers(tmp_path / "none") == []
    assert read_history(tmp_path / "none") == {}


def test_only_numbered_directories_are_versions(tmp_path: Path) -> None:
    for name in ("10", "9", "not-a-version", ".staging-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").write_text("a file")
    assert version_numbers(tmp_path) == [9, 10]
    assert read_history(tmp_path) == {9: None, 10: None}


def test_names_may_have_leading_zeros(tmp_path: Path) -> None:
    for name in ("00000123", "7", "007", "0"):
        (tmp_path / name).mkdir()
    names = {number: path.name for number, path in version_paths(tmp_path).items()}
    assert names == {0: "0", 7: "7", 123: "00000123"}
    assert list(names) == [0, 7, 123]
    assert version_path(tmp_path, 123).name == "00000123"
    assert version_path(tmp_path, 124).name == "124"


def test_a_number_that_does_not_fit_into_64_bits_is_no_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("1", str(LARGEST_VERSION), str(LARGEST_VERSION + 1), "9" * 20, "9" * 200):
        (tmp_path / name).mkdir()
    for _ in range(2):
        assert version_numbers(tmp_path) == [1, LARGEST_VERSION]
    assert len(caplog.records) == 3  # each directory is named once, not at every look
    assert f"{tmp_path / ('9' * 20)} is ignored" in caplog.text
    assert [version_number(name) for name in ("²", "-1", "", "1.0", "0" * 30)] == [
        *(None, None, None, None, 0)
    ]
    with pytest.raises(OSError, match="no version number after"):
        next_version([LARGEST_VERSION])
    assert next_version([]) == 1


def test_an_origin_reads_back(tmp_path: Path) -> None:
    origin = Origin.now("digest", restores=3)
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(origin.to_json())
    assert read_origin(tmp_path) == origin


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"pushed_at": ""}'])
def test_other_texts_are_no_origin(text: str) -> None:
    assert Origin.parse(text) is None


def test_a_rollback_holds_the_model_of_its_original() -> None:
    history = {1: Origin("a"), 2: Origin("b"), 3: Origin("a", restores=1), 4: None}
    assert original_version(history, 3) == 1
    assert same_model(history, 1, 3)
    assert not same_model(history, 2, 3)
    assert not same_model(history, 1, 4)
    assert digest_of(history, 4) == ""
    del history[1]
    assert original_if_kept(history, 3) == 3
    assert same_model(history, 3, 3)


def test_the_previous_model_of_a_rollback_precedes_the_restored_one() -> None:
    history = {1: Origin("a"), 2: Origin("b"), 3: Origin("c"), 4: Origin("b", restores=2)}
    assert previous_model(history, 3) == 2
    assert previous_model(history, 4) == 1
    assert previous_model(history, 1) is None


@pytest.mark.parametrize(
    ("digests", "candidate", "expected"),
    [
        ("", "a", None),
        ("a", "a", None),
        ("a", "b", 1),
        ("ab", "b", 1),  # b is served now; it was compared with a, and is compared with a again
        ("ab", "a", 2),
        ("aba", "a", 2),
    ],
)
def test_the_champion_is_the_served_model_or_the_one_before(
    digests: str, candidate: str, expected: int | None
) -> None:
    history = {number: Origin(digest) for number, digest in enumerate(digests, 1)}
    assert champion_version(history, candidate) == expected


def test_a_version_on_trial_is_not_the_champion() -> None:
    history = {number: Origin(digest) for number, digest in enumerate("abc", 1)}
    canary = on_trial({"stable": 2, "canary": 3})
    assert champion_version(history, "d", canary) == 2
    assert champion_version(history, "c", canary) == 2
    assert champion_version(history, "b", canary) == 1
    assert champion_version(history, "d", on_trial({"stable": 3, "canary": 3})) == 3
