"""The rules of rollbacks and retention, as pure functions of history and labels."""

import pytest

from serving.versions.history import History, Origin
from serving.versions.labels import Labels
from serving.versions.rollback import (
    default_target,
    labels_after_rollback,
    trial_versions,
    versions_to_remove,
)


def history_of(digests: str, restores: dict[int, int] | None = None) -> History:
    """One version per letter; `restores` maps rollbacks to the versions they restore."""
    restores = restores or {}
    return {v: Origin(digest, "", restores.get(v)) for v, digest in enumerate(digests, 1)}


@pytest.mark.parametrize(
    ("digests", "restores", "labels", "target"),
    [
        ("a", {}, Labels(), None),
        ("ab", {}, Labels(), 1),
        ("abca", {}, Labels(), 3),
        ("abcb", {4: 2}, Labels(), 1),  # 4 restores 2: look before 2
        ("abc", {}, Labels({"stable": 3}, {"stable": (1,)}), 1),  # stable before
        ("abc", {}, Labels({"stable": 1, "canary": 3}), 2),  # 2 was served before the canary
        ("abc", {}, Labels({"stable": 1, "canary": 3}, {"canary": (2,)}), 1),  # both were trials
        ("ab", {}, Labels({"canary": 1}), 1),  # without `stable`, nothing is known to be a trial
    ],
)
def test_the_default_target(
    digests: str, restores: dict[int, int], labels: Labels, target: int | None
) -> None:
    assert default_target(history_of(digests, restores), labels) == target


def test_rollbacks_and_stable_versions_are_no_trials() -> None:
    history = history_of("abcb", {4: 2})
    labels = Labels({"stable": 1, "canary": 4}, {"canary": (2, 3), "stable": (3,)})
    assert trial_versions(history, labels) == {2}


def test_labels_of_the_newest_version_move_and_stable_may_stay() -> None:
    history, labels = history_of("abc"), Labels({"stable": 1, "canary": 3})
    kept = labels_after_rollback(history, labels, restored=2, new=4, named=False)
    assert kept == Labels({"stable": 1, "canary": 4}, {"canary": (3,)})
    moved = labels_after_rollback(history, labels, restored=2, new=4, named=True)
    assert moved.versions == {"stable": 4, "canary": 4}


def test_a_rollback_removes_what_it_skipped_from_the_stable_line() -> None:
    history = history_of("abcd")
    labels = Labels({"stable": 4}, {"stable": (1, 2, 3)})
    assert labels_after_rollback(history, labels, 2, 5, named=True).earlier == {"stable": (1,)}


@pytest.mark.parametrize(
    ("keep", "labels", "removed"),
    [
        (4, Labels(), set()),
        (2, Labels(), {1, 2}),
        (1, Labels(), {1, 2}),  # a rollback would restore 3
        (1, Labels({"stable": 1}), {2}),
    ],
)
def test_what_a_rollback_or_a_label_needs_is_kept(
    keep: int, labels: Labels, removed: set[int]
) -> None:
    assert versions_to_remove(history_of("abcd"), labels, keep) == removed


def test_the_model_pushed_last_is_kept() -> None:
    history = history_of("abcb", {4: 2})
    assert versions_to_remove(history, Labels(), 1) == {2}  # 1: the target; 3: pushed last
    assert versions_to_remove({}, Labels(), 1) == frozenset()
