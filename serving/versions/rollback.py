"""Which version a rollback restores, what labels do then, and which versions nobody needs."""

from __future__ import annotations

from collections.abc import Mapping

from serving.versions.history import Origin, original, previous, same, still_there
from serving.versions.labels import STABLE, Labels


def tried(known: Mapping[int, Origin | None], labels: Labels) -> set[int]:
    """Versions that were only on trial: pushed, given a label, and never that of the stable one."""
    held = {label: {*labels.earlier.get(label, ()), v} for label, v in labels.versions.items()}
    stable = held.pop(STABLE, set())
    restoring = {v for v, origin in known.items() if origin and origin.restores is not None}
    return set().union(*held.values()) - stable - restoring


def before(known: Mapping[int, Origin | None], labels: Labels) -> int | None:
    """The version to go back to, along what was served; None if nothing else was.

    Where the newest version is the stable model: what was stable before it. Else, and before the
    first stable one: the newest version was served, unless it was only on trial.
    """
    newest = first = max(known)
    stable = labels.versions.get(STABLE, 0)
    if same(known, stable, newest):
        line = [v for v in (*labels.earlier.get(STABLE, ()), stable) if v in known]
        for version in reversed(line):
            if not same(known, version, newest):
                return still_there(known, version)
        first = (*line, newest)[0]
    passed_over = tried(known, labels) - {first}
    found = previous({v: origin for v, origin in known.items() if v not in passed_over}, first)
    if found is None and STABLE not in labels.versions:  # then no label says what is on trial
        return previous(known, first)
    return found


def relabelled(
    known: Mapping[int, Origin | None], labels: Labels, restored: int, new: int, asked: bool
) -> Labels:
    """The labels after a rollback: those of the newest and the stable version are at the new one.

    Where the newest was another model than the stable one, and the one before it is too, clients
    that ask for `stable` are not concerned: it stays.

    known: the versions before the rollback. restored: of them, the one that the new one restores.
    asked: whether an operator chose it, who means `stable` too.
    """
    newest, stable = max(known), labels.versions.get(STABLE, 0)
    follows = asked or same(known, stable, newest) or same(known, stable, restored)
    left = [n for n, v in labels.versions.items() if v == newest or (follows and v == stable)]
    earlier = {n: (*labels.earlier.get(n, ()), labels.versions[n]) for n in left}
    if STABLE in left:
        earlier[STABLE] = _up_to(known, earlier[STABLE], restored)
    return labels.changed({**labels.versions, **dict.fromkeys(left, new)}, earlier, known)


def _up_to(
    known: Mapping[int, Origin | None], line: tuple[int, ...], restored: int
) -> tuple[int, ...]:
    """What was stable before the restored version was; for one that never was, older versions."""
    again = [i for i, version in enumerate(line) if same(known, version, restored)]
    if again:
        return line[: again[-1]]
    return tuple(v for v in line if original(known, v) < original(known, restored))


def superfluous(
    known: Mapping[int, Origin | None], labels: Labels, keep: int | None
) -> frozenset[int]:
    """The versions to remove so that the newest `keep` are left; None: none.

    Labelled ones stay, and the models to go back to and pushed last: were the latter gone after a
    rollback, running the unchanged spec would push it again.
    """
    if keep is None or not known:
        return frozenset()
    needed = {*sorted(known)[-keep:], *labels.versions.values()}
    pushed = max((v for v, o in known.items() if o and o.restores is None), default=None)
    for version in (before(known, labels), pushed):
        if version is not None and not any(same(known, version, kept) for kept in needed):
            needed.add(version)
    return frozenset(known) - needed
