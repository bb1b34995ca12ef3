"""Labels of versions, and which versions had them before."""

from pathlib import Path

import pytest

from serving.versions import labels as label_files
from serving.versions.labels import Labels, on_trial, read_labels, write_labels


def test_labels_and_their_history_read_back(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == Labels()
    labels = Labels({"stable": 3, "canary": 4}, {"stable": (1, 2)})
    write_labels(tmp_path, labels)
    assert read_labels(tmp_path) == labels
    assert {path.name for path in tmp_path.iterdir()} == {label_files.FILE, label_files.HISTORY}


def test_the_history_is_written_first() -> None:
    assert list(Labels().contents()) == [label_files.HISTORY, label_files.FILE]


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"stable": [1]}', "null"])
def test_broken_label_files_count_as_empty(tmp_path: Path, broken: str) -> None:
    for name in (label_files.FILE, label_files.HISTORY):
        (tmp_path / name).write_text(broken)
    assert read_labels(tmp_path).versions == {}


def test_moving_a_label_remembers_existing_earlier_versions() -> None:
    labels = Labels().moved("stable", 1, [1, 2, 3]).moved("stable", 2, [1, 2, 3])
    assert labels == Labels({"stable": 2}, {"stable": (1,)})
    assert labels.moved("stable", 2, [1, 2, 3]) == labels
    assert labels.moved("stable", 3, [2, 3]) == Labels({"stable": 3}, {"stable": (2,)})


def test_versions_on_trial_have_a_label_but_are_not_stable() -> None:
    assert on_trial({}) == set()
    assert on_trial({"stable": 1, "canary": 2, "test": 1}) == {2}
    assert on_trial({"canary": 2}) == {2}
