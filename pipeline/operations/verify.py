"""`rootstock verify`: reads all that the runs of a spec have published, and names the damage."""

from __future__ import annotations

from collections.abc import Iterator

from components.errors import RootstockError
from pipeline.operations.deployment import explained
from pipeline.spec.sections import Spec
from pipeline.store.entry import NO_RECORD, Entry, is_of_earlier_version
from pipeline.store.place import local
from pipeline.store.store import Store


def verify(spec: Spec) -> str:
    """Compare the SHA-256 of every file in the store and in the pushed versions with its record.

    Returns:
        A sentence with the numbers of results, versions and files.

    Raises:
        RootstockError: something is damaged; a line for each file, and what to do.
    """
    store = Store(local(spec.store))
    found_entries = list(store.entries())
    old = [
        place for place, entry in found_entries if entry is None and is_of_earlier_version(place)
    ]
    entries = [(place, entry) for place, entry in found_entries if place not in old]
    damage = [f"{place}: {phrase}" for place, entry in entries for phrase in _damage(entry)]
    cached = len(damage)
    with explained(spec) as place:
        history = place.history(spec.name)
        for version in history:
            found = place.damage(spec.name, version, "digests")
            damage += [f"{place.location(spec.name, version)}: {phrase}" for phrase in found]
    unrecorded = [v for v, origin in history.items() if origin is None or origin.files is None]
    if damage:
        raise RootstockError("\n".join([*damage, *_advice(cached > 0, len(damage) > cached)]))
    files = sum(len(m) for _, entry in entries if entry for m in entry.files.values())
    files += sum(len(o.files) for o in history.values() if o and o.files)
    sentence = (
        f"Nothing is damaged: {len(entries)} results in {store.root},"
        f" {len(history) - len(unrecorded)} pushed versions of {spec.name}, {files:,}"
        " files."
    )
    unchecked = [f"version {number}" for number in unrecorded]
    if old:
        unchecked.append(
            f"{len(old)} results of an earlier version of Rootstock, which no run uses"
        )
    if unchecked:
        sentence += f" Not checked, because their files were not recorded: {', '.join(unchecked)}."
    return sentence


def _damage(entry: Entry | None) -> list[str]:
    return [NO_RECORD] if entry is None else entry.damage(whole=True)


def _advice(results: bool, versions: bool) -> Iterator[str]:
    if results:
        yield "Damaged results are not used: the next run that needs them makes them again."
    if versions:
        yield (
            "Damaged versions are not served. To push the model again, run the spec again; to serve"
            " an earlier one, roll back."
        )
