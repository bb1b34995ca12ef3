"""The spec as it travels inside a compiled file: to tasks that run in other places."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from components.errors import RootstockError
from models.masked_url import MaskedUrl, without_secrets
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import VARIABLE, YamlFile

LOCAL_SCHEMES = ("file", "local", "memory", "sqlite", "duckdb")
"""Of URLs whose content is on one machine, or in one process."""


@dataclass(frozen=True)
class Place:
    """A path or URL of a spec. value: absolute, with the values of variables. holder: the mapping
    of the file with the key `name`, or where it would be.
    """

    key: str
    holder: dict[str, Any]
    name: str
    value: str

    @property
    def path(self) -> Path | None:
        """The path on this machine; None if other machines see the same."""
        scheme, separator, rest = self.value.partition("://")
        if separator:
            is_local = scheme.partition("+")[0].lower() in LOCAL_SCHEMES
            return Path("/", rest.lstrip("/")) if is_local else None
        return Path(self.value) if os.path.isabs(self.value) else None

    def write(self) -> None:
        """Put the absolute path into the file; variables stay if one begins the path."""
        written = self.holder.get(self.name)
        starts_itself = isinstance(written, str) and (
            VARIABLE.match(written) or os.path.isabs(written) or "://" in written
        )
        self.holder[self.name] = written if starts_itself else self.value


def spec_text(spec: Spec, file: YamlFile, shared: Sequence[str]) -> str:
    """The YAML of a spec for any folder: local paths are absolute, overrides are applied, and
    variables stay variables.

    shared: folders that every task sees under the same path.

    Raises:
        RootstockError: a path is not in a shared folder, or the file has a password.
    """
    content: dict[str, Any] = deepcopy(dict(file.unexpanded))
    folders = [Path(os.path.abspath(folder)) for folder in shared]
    unseen = []
    for place in _places(spec, content, file.path.resolve().parent):
        if (path := place.path) is None:
            continue
        if any(path.is_relative_to(folder) for folder in folders):
            place.write()
        else:
            unseen.append(f"{place.key}: {without_secrets(place.value)}")
    if unseen:
        raise RootstockError(
            f"{file.path}: on this machine, where tasks that run elsewhere do not see them:\n"
            + "\n".join(f"  {one}" for one in unseen)
            + "\nUse URLs such as s3://…, or name the folders that all tasks see under the same"
            " path: --shared DIR (a disk that is mounted, or a folder of the image), or --shared /"
            " if all tasks run on this machine."
        )
    for key, holder, name in _held(content):
        check_no_password(f"{file.path}: {key}", holder[name])
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def check_no_password(what: str, value: str) -> None:
    """Check a text that is written into a compiled file.

    Raises:
        RootstockError: it has a password.
    """
    if without_secrets(value, named=False) != value:
        raise RootstockError(
            f"{what}: has a password, which a compiled file must not have. In the spec, use a"
            " variable, such as ${PASSWORD}, and name its secret under orchestration.secrets."
        )


def variables_in(text: str) -> dict[str, bool]:
    """The variables of a spec, and whether each has a default wherever it is used."""
    found: dict[str, bool] = {}
    for name, default in VARIABLE.findall(text):
        found[name] = found.get(name, True) and bool(default)
    return found


def _places(spec: Spec, content: dict[str, Any], base: Path) -> Iterator[Place]:
    """All paths and URLs that a run reads or writes. base: the folder of the spec."""
    data = content["data"]
    for section in ("sources", "previous", "serving"):
        readers = getattr(spec.data, section)
        for i, (holder, reader) in enumerate(zip(data.get(section) or (), readers, strict=True)):
            for name in ("path", "data_dir"):
                if value := getattr(reader, name, ""):
                    yield Place(f"data.{section}.{i}.{name}", holder, name, _real(value))
    if spec.data.schema_file:
        yield Place("data.schema_file", data, "schema_file", spec.data.schema_file)
    yield Place("store", content, "store", spec.store)
    if "destination" in (push := content.get("push") or {}):
        yield Place("push.destination", push, "destination", _real(spec.push.destination))
    if spec.tracking.uri is not None:
        yield Place("tracking.uri", content["tracking"], "uri", _real(spec.tracking.uri))
    model = content.get("model") or {}
    parts: list[tuple[str, Any, Any]] = [("model.trunk", model.get("trunk"), spec.model.trunk)]
    for key, part in spec.model.trunks.items():
        parts.append((f"model.trunks.{key}.trunk", model["trunks"][key]["trunk"], part.trunk))
    parts += [(f"inputs.{key}", content["inputs"][key], part) for key, part in spec.inputs.items()]
    for key, holder, part in parts:
        for f in fields(part) if isinstance(holder, dict) else ():
            if f.metadata.get("path") and f.name in holder:
                yield Place(f"{key}.{f.name}", holder, f.name, _real(getattr(part, f.name)))
    for i, member in enumerate([*(content.get("ensemble") or ()), content.get("distilled") or {}]):
        for key, holder, name in _held(member.get("set") or {}):
            path = os.path.normpath(base / os.path.expanduser(holder[name]))
            if _may_be_path(holder[name], base):
                yield Place(f"ensemble or distilled, set {i + 1}: {key}", holder, name, path)


def _may_be_path(text: str, base: Path) -> bool:
    """Whether a text among the overrides of a member is a path: overrides have no types here. It is
    a file, or it has a slash and begins with a folder that exists; the rest may be a pattern.
    """
    if not text or "://" in text:
        return False
    place = base / os.path.expanduser(text)
    begins = next(folder for folder in place.parents if folder.is_dir())
    return place.is_file() or ("/" in text and begins not in (base, Path("/")))


def _real(value: str) -> str:
    return value.reveal() if isinstance(value, MaskedUrl) else value


def _held(value: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The texts in nested mappings and lists: the key of each, its container and its name there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in list(pairs):
        whole = f"{key}.{name}".lstrip(".")
        if isinstance(inner, str):
            yield whole, value, name
        elif isinstance(inner, dict | list):
            yield from _held(inner, whole)
