"""The rules of rollbacks and retention: what to restore, where labels go, what may be deleted."""

from __future__ import annotations

from serving.versions.history import (
    History,
    original_if_kept,
    original_version,
    previous_model,
    same_model,
)
from serving.versions.labels import STABLE, Labels


def trial_versions(history: History, labels: Labels) -> set[int]:
    """The versions that were only ever on trial: pushed and labelled, but never `stable`."""
    versions = labels.versions.items()
    labelled = {label: {*labels.earlier.get(label, ()), version} for label, version in versions}
    stable = labelled.pop(STABLE, set())
    rollbacks = {v for v, origin in history.items() if origin and origin.restores is not None}
    return set().union(*labelled.values()) - stable - rollbacks


def default_target(history: History, labels: Labels) -> int | None:
    """The version that a rollback restores if the operator names none; None if there is none.

    If the newest version is the stable model, this is the model that was stable before it.
    Otherwise, or if no model was stable before, it is the model served by default before the
    newest one; models that were only on trial are skipped.
    """
    newest = start = max(history)
    stable = labels.versions.get(STABLE, 0)
    if same_model(history, stable, newest):
        stable_line = [v for v in (*labels.earlier.get(STABLE, ()), stable) if v in history]
        for version in reversed(stable_line):
            if not same_model(history, version, newest):
                return original_if_kept(history, version)
        start = (*stable_line, newest)[0]
    skipped = trial_versions(history, labels) - {start}
    served = {version: origin for version, origin in history.items() if version not in skipped}
    target = previous_model(served, start)
    if target is None and STABLE not in labels.versions:  # then no label says what is on trial
        return previous_model(history, start)
    return target


def labels_after_rollback(
    history: History, labels: Labels, restored: int, new: int, named: bool
) -> Labels:
    """Move the labels of the newest version, and `stable`, to the version that a rollback made.

    `stable` stays if neither the newest version nor the restored one is the stable model: then the
    rollback does not concern the clients that ask for `stable`.

    Args:
        history: before the rollback.
        labels: before the rollback.
        restored: the version whose content is restored.
        new: the version that the rollback made.
        named: whether the operator named the version to restore; then `stable` moves too.
    """
    newest, stable = max(history), labels.versions.get(STABLE, 0)
    stable_moves = named or any(same_model(history, stable, v) for v in (newest, restored))
    from_versions = {newest, stable} if stable_moves else {newest}
    moving = [label for label, version in labels.versions.items() if version in from_versions]
    earlier = {label: (*labels.earlier.get(label, ()), labels.versions[label]) for label in moving}
    if STABLE in moving:
        earlier[STABLE] = _stable_before(history, earlier[STABLE], restored)
    return labels.changed({**labels.versions, **dict.fromkeys(moving, new)}, earlier, history)


def _stable_before(
    history: History, stable_line: tuple[int, ...], restored: int
) -> tuple[int, ...]:
    """The part of the line of stable versions that came before the restored model.

    If the restored model was never stable, keep the versions pushed before it.
    """
    positions = [i for i, v in enumerate(stable_line) if same_model(history, v, restored)]
    if positions:
        return stable_line[: positions[-1]]
    original = original_version(history, restored)
    return tuple(v for v in stable_line if original_version(history, v) < original)


def versions_to_remove(history: History, labels: Labels, keep: int) -> frozenset[int]:
    """The versions to delete so that the newest `keep` remain.

    Labelled versions, the model that a rollback would restore and the model pushed last are never
    deleted. (If the model pushed last were deleted after a rollback, running the unchanged spec
    would push it again.)
    """
    if not history:
        return frozenset()
    needed = {*sorted(history)[-keep:], *labels.versions.values()}
    pushed_last = max((v for v, o in history.items() if o and o.restores is None), default=None)
    for version in (default_target(history, labels), pushed_last):
        if version is not None and not any(same_model(history, version, n) for n in needed):
            needed.add(version)
    return frozenset(history) - needed
