"""Operations on pushed models: list, label, roll back, deploy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.artifacts import PushRecord
from components.errors import RootstockError
from models.masked_url import without_secrets
from pipeline.report.tables import Table
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import tracking_uri
from pipeline.tracking.client import connect
from serving.deploy.kit import Deployment, is_kit, write
from serving.manifest import shortened
from serving.versions.base import Destination, NoSuchVersion
from serving.versions.destination import destination
from serving.versions.history import Origin, digest_of, same_model
from serving.versions.labels import CANARY, STABLE, on_trial

_PINNED = (
    "TF Serving is configured by version numbers: run `rootstock deploy SPEC DIR` again to update"
    " it."
)


def versions_table(spec: Spec) -> str:
    """A table of the versions of a spec's model, newest first, and what is missing or cut in them.

    Raises:
        RootstockError: there are none, or the destination cannot be read.
    """
    with explained(spec) as place:
        known, labels = pushed_versions(place, spec.name), place.labels(spec.name)
        damaged = {version: place.damage(spec.name, version) for version in known}
    rows = []
    for version, origin in sorted(known.items(), reverse=True):
        notes = ["newest: served by default"] if version == max(known) else []
        if origin and origin.restores:
            notes.append(f"restores {origin.restores}")
        if damaged[version]:
            notes.insert(0, f"DAMAGED: {shortened(damaged[version])}")
        named = ", ".join(label for label, v in labels.items() if v == version)
        pushed = (origin.pushed_at, origin.digest[:12]) if origin else ("", "unknown origin")
        rows.append([str(version), named, *pushed, "; ".join(notes)])
    table = Table(["version", "labels", "pushed", "model", ""], rows)
    return f"{place.location(spec.name)}\n{table.text()}"


def rollback(spec: Spec, to: int | None) -> str:
    """Serve an earlier model again and update MLflow; returns what was done, in sentences.

    Raises:
        RootstockError: there is no such version, or the destination cannot be written.
    """
    with explained(spec) as place:
        version, restored = place.rollback(spec.name, to, spec.push.keep)
        known, labels = place.history(spec.name), place.labels(spec.name)
    _update_registry(spec, known, labels, version)
    where = place.location(spec.name, version)
    sentences = [f"{where}: version {version} contains the model of version {restored}."]
    if moved := [label for label, v in labels.items() if v == version]:
        sentences.append(f"Labels that moved to it: {', '.join(moved)}.")
    if STABLE in labels and STABLE not in moved:
        sentences.append(f"{STABLE!r} stays at version {labels[STABLE]}.")
    sentences.append("Servers that watch the directory load it now.")
    return " ".join(sentences + [_PINNED] * bool(labels))


def promote(spec: Spec, source: str = CANARY, target: str = STABLE) -> str:
    """Move the label `target` to the version with the label `source`, and update MLflow.

    Raises:
        RootstockError: no version has that label, or the destination cannot be written.
    """
    with explained(spec) as place:
        labels = place.labels(spec.name)
        if source not in labels:
            message = f"{place.location(spec.name)}: no version has the label {source!r}."
            raise RootstockError(f"{message} Existing labels: {', '.join(labels) or 'none'}.")
        version = place.label(spec.name, target, labels[source])
        known, labels = place.history(spec.name), place.labels(spec.name)
    if target == STABLE:
        _update_registry(spec, known, labels, version)
    return f"{place.location(spec.name, version)}: version {version} is now {target!r}. {_PINNED}"


def write_kit(spec: Spec, directory: Path) -> str:
    """Write the files that deploy the pushed model with TF Serving; see `serving.deploy.kit`.

    Raises:
        RootstockError: no model has been pushed, or the files cannot be written.
    """
    with explained(spec) as place:
        pushed_versions(place, spec.name)
        where = place.location(spec.name)
        if is_url := "://" in where:
            where = str(spec.push.destination)
            if spec.push.destination.reveal() != where:
                raise RootstockError(
                    f"{where}: the URL holds a password, which a deploy kit would show. Put the"
                    " password into the environment, as the kit's README.md describes."
                )
        deployment = Deployment(spec.name, where, place.labels(spec.name))
    try:
        if directory.is_dir() and any(directory.iterdir()) and not is_kit(directory):
            instead = "Use a new directory, or that of an earlier deploy."
            raise RootstockError(f"{directory} contains other files. {instead}")
        files = write(deployment, directory)
    except OSError as e:
        raise RootstockError(f"{directory}: cannot be written ({e.strerror or e}).") from e
    mounted = "" if is_url else ", whose volume you have to fill"
    return (
        f"{directory}: {len(files)} files; {directory}/README.md describes them. Start one of:\n"
        f"docker compose -f {directory}/compose.yaml up\n"
        f"docker compose -f {directory}/compose.yaml -f {directory}/compose.gpu.yaml up\n"
        f"kubectl apply -k {directory}/kubernetes/cpu  (or gpu{mounted})"
    )


def serve_newest(spec: Spec, version: int) -> int:
    """Make this version's model the one that is served by default; returns its newest version."""
    with explained(spec) as place:
        known = place.history(spec.name)
        if same_model(known, version, max(known)):
            return max(known)
        newest = place.push_again(spec.name, version, spec.push.keep)
        known, labels = place.history(spec.name), place.labels(spec.name)
    _update_registry(spec, known, labels, newest)
    return newest


def pushed_before(spec: Spec, record: PushRecord, serve: bool) -> str:
    """Where a model is served that was pushed by an earlier run, in a sentence.

    record: of the earlier push. serve: make it the version that is served by default.

    Raises:
        RootstockError: the destination cannot be read or written.
    """
    with explained(spec) as place:
        known, labels = place.history(spec.name), place.labels(spec.name)
    newest = max(known)
    served = same_model(known, record.version, newest)
    if record.label == STABLE and record.version != newest:
        _update_registry(spec, known, labels, record.version)
    if serve and not served:
        again = f"it is served by default again, as version {serve_newest(spec, record.version)}"
        return f"Version {record.version} already contains this model; {again}."
    shown = record.version if record.label or not served else newest
    label = f" ({record.label})" if record.label else ""
    contains = f"Version {shown}{label} already contains this model"
    if served and shown == newest:
        return f"{contains} and is served by default."
    which = f"version {newest}, the same model," if served else f"version {newest}"
    return f"{contains}; {which} is served by default."


def pushed_versions(place: Destination, name: str) -> Mapping[int, Origin | None]:
    """The versions of a model with their origins; see `Destination.history`.

    Raises:
        RootstockError: there are none.
    """
    if known := place.history(name):
        return known
    raise RootstockError(f"{place.location(name)}: no model has been pushed yet.")


def whole_version(place: Destination, name: str, version: int, cache: Path) -> Path:
    """A version as a local directory, to read its model; see `Destination.fetch`.

    Raises:
        RootstockError: it is damaged.
    """
    if damage := place.damage(name, version, "checksums"):
        raise RootstockError(
            f"{place.location(name, version)} is damaged: {shortened(damage)}. To push the model"
            " again, run the spec again; to serve an earlier one, roll back."
        )
    return place.fetch(name, version, cache)


@contextlib.contextmanager
def explained(spec: Spec) -> Iterator[Destination]:
    """The destination of a spec. Its errors become errors for the user."""
    try:
        yield destination(spec.push.destination.reveal(), spec.push.destination)
    except (NoSuchVersion, ValueError, ImportError) as e:
        raise RootstockError(str(e)) from e
    except OSError as e:
        raise RootstockError(f"{spec.push.destination}: {e.strerror or e}.") from e


def _update_registry(
    spec: Spec, known: Mapping[int, Origin | None], labels: Mapping[str, int], version: int
) -> None:
    """Move MLflow's aliases to the served model. A failure is only printed.

    version: the one that is served now. Records of earlier pushes do not move the aliases back.
    """
    if spec.tracking.backend == "none":
        return
    uri = tracking_uri(spec)
    from mlflow.exceptions import MlflowException

    from pipeline.tracking import registry

    try:
        client = connect(uri.reveal())
        registered = registry.find(client, spec.name, digest_of(known, version))
        if registered is not None:
            registry.make_champion(client, spec.name, registered.version, max(known))
            registry.end_trial(client, spec.name, {digest_of(known, v) for v in on_trial(labels)})
    except MlflowException as e:
        why = without_secrets(e.message)
        print(f"rootstock: MLflow at {uri} was not updated: {why}", file=sys.stderr)
