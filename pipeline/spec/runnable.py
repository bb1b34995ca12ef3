"""Specs for the models of a study's arm, each of which can be run on its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from components.training.sampling import Fixed
from models.masked_url import MaskedUrl
from pipeline.spec.load import SpecSource
from pipeline.spec.names import LONGEST
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import VARIABLE, read_yaml


def runnable_specs(
    source: SpecSource,
    more: Sequence[str],
    models: Iterable[tuple[str, ...]],
    study: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Specs as YAML by file name, with absolute paths.

    more: overrides after those of the source. models: the tasks of each model. study: changes to
        the `study` section; None removes it.
    """
    path, overrides = source.path, [*source.overrides, *more]
    spec = source.spec(*more)
    specs = {}
    for tasks in models:
        file = read_yaml(path, overrides, source.variables)
        content: dict[str, Any] = dict(file.content)
        content.pop("tune", None)
        section = content.pop("study", None) or {}
        content |= {} if study is None else {"study": {**section, **study}}
        has_all = len(tasks) == len(spec.tasks)
        name = spec.name if has_all else _name(spec.name, tasks)
        content["name"] = name
        content["tasks"] = {t: content["tasks"][t] for t in tasks}
        content["thresholds"] = [t for t in content.get("thresholds") or () if t["task"] in tasks]
        _narrow(content, tasks)
        set_paths(content, spec, file.unexpanded)
        specs[f"{name}.yaml"] = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return specs


def _name(whole: str, tasks: tuple[str, ...]) -> str:
    """The name of a model of some tasks, valid for a model: with a hash of names that are not."""
    names = "-".join(tasks)
    if re.fullmatch(r"[A-Za-z0-9_-]+", names) and len(whole) + len(names) < LONGEST:
        return f"{whole}-{names}"
    short = hashlib.sha256(names.encode()).hexdigest()[:8]
    return f"{whole[: LONGEST - len(short) - 1]}-{short}"


def _narrow(content: dict[str, Any], tasks: tuple[str, ...]) -> None:
    """Remove what concerns other tasks from the sections `model` and `training`."""
    model = content.get("model") or {}
    if len(tasks) == 1:
        content["model"] = {k: v for k, v in model.items() if k not in ("balancing", "sharing")}
    elif isinstance(model.get("balancing"), dict) and "weights" in model["balancing"]:
        weights = model["balancing"]["weights"]
        model["balancing"]["weights"] = {t: w for t, w in weights.items() if t in tasks}
    training = content.get("training") or {}
    if isinstance(sampling := training.get("sampling"), dict) and "of" in sampling:
        sampling["of"] = Fixed(of=sampling["of"]).narrowed(tasks).of
    stopping, own = training.get("early_stopping"), tuple(f"val_{t}_" for t in tasks)
    if stopping and not str(stopping.get("monitor", "")).startswith(own):
        stopping["monitor"] = "val_loss"


def set_paths(content: dict[str, Any], spec: Spec, unexpanded: Mapping[str, Any]) -> None:
    """Replace paths by the absolute ones of `spec`, and URLs by those of the spec file: variables
    stay unexpanded, because they may hold passwords, and other passwords are masked.
    """
    data, written = content["data"], unexpanded["data"]
    for name in ("sources", "previous", "serving"):
        readers = getattr(spec.data, name)
        parts = zip(data.get(name) or (), written.get(name) or (), readers, strict=True)
        for source, raw, reader in parts:
            source["path"] = _shareable(raw["path"], reader.path)
    if data.get("schema_file"):
        data["schema_file"] = spec.data.schema_file
    push = (unexpanded.get("push") or {}).get("destination", "")
    place = _shareable(push, spec.push.destination)
    content["push"] = {**(content.get("push") or {}), "destination": place}
    content["store"] = spec.store
    if spec.tracking.uri:
        content["tracking"]["uri"] = _shareable(unexpanded["tracking"]["uri"], spec.tracking.uri)
    model = content.get("model") or {}
    pairs: list[tuple[Any, Any]] = [(model.get("trunk"), spec.model.trunk)]
    pairs += [(model["trunks"][key]["trunk"], p.trunk) for key, p in spec.model.trunks.items()]
    pairs += [(content["inputs"][key], i) for key, i in spec.inputs.items()]
    for written_part, part in pairs:
        paths = {f.name for f in fields(part) if f.metadata.get("path")}
        for key in paths & set(written_part if isinstance(written_part, dict) else ()):
            written_part[key] = str(getattr(part, key))


def _shareable(written: str, url: MaskedUrl) -> str:
    """A path or URL for a file that others may read. written: as in the spec file."""
    return str(MaskedUrl(written) if "://" in url and VARIABLE.search(written) else url)
