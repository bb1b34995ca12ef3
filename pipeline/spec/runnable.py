"""Specs for the models of a study's arm, each of which can be run on its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from components.training.sampling import Fixed
from pipeline.spec.load import load_spec
from pipeline.spec.yaml_file import VARIABLE, read_yaml


def runnable_specs(
    path: Path,
    overrides: Sequence[str],
    variables: Mapping[str, str],
    models: Iterable[tuple[str, ...]],
    study: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Specs as YAML by file name, with absolute paths.

    models: the tasks of each model. study: keys to change in the `study` section; None removes the
        section.
    """
    spec, _ = load_spec(path, overrides, variables)
    specs = {}
    for tasks in models:
        file = read_yaml(path, overrides, variables)
        content: dict[str, Any] = dict(file.content)
        _without_secrets(content, file.text)
        content.pop("tune", None)
        section = content.pop("study", None) or {}
        content |= {} if study is None else {"study": {**section, **study}}
        has_all = len(tasks) == len(spec.tasks)
        name = spec.name if has_all else f"{spec.name}-{'-'.join(tasks)}"
        content["name"] = name
        content["tasks"] = {t: content["tasks"][t] for t in tasks}
        content["thresholds"] = [t for t in content.get("thresholds") or () if t["task"] in tasks]
        _narrow(content, tasks)
        _absolute(content, path.resolve().parent)
        content["store"] = spec.store
        content["push"] = {"destination": spec.push.destination}
        _located(_part(content, "model").get("trunk"), spec.model.trunk)
        for key, input_spec in spec.inputs.items():
            _located(content["inputs"][key], input_spec)
        specs[f"{name}.yaml"] = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return specs


def _located(content: Any, part: Any) -> None:
    """Replace the paths in a part of the YAML by the absolute ones of the object read from it."""
    paths = {f.name for f in fields(part) if f.metadata.get("path")}
    for key in paths & set(content if isinstance(content, dict) else ()):
        content[key] = getattr(part, key)


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
    stopping = training.get("early_stopping")
    if stopping and not any(
        str(stopping.get("monitor", "")).startswith(f"val_{t}_") for t in tasks
    ):
        stopping["monitor"] = "val_loss"


def _without_secrets(content: dict[str, Any], text: str) -> None:
    """Keep variables in URLs unexpanded, because they may hold passwords."""
    written = (yaml.safe_load(text).get("data") or {}).get("sources") or []
    sources = content["data"]["sources"]
    for source, raw in zip(sources, written, strict=False):
        if "://" in source["path"] and VARIABLE.search(raw.get("path", "")):
            source["path"] = raw["path"]


def _absolute(content: dict[str, Any], base: Path) -> None:
    def absolute(p: str) -> str:
        if "://" in p:
            return p
        return os.path.normpath(os.path.join(base, os.path.expanduser(p)))

    data = content["data"]
    for part in ("sources", "previous", "serving"):
        if data.get(part):
            data[part] = [{**s, "path": absolute(s["path"])} for s in data[part]]
    if data.get("schema_file"):
        data["schema_file"] = absolute(data["schema_file"])


def _part(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = content.get(key)
    return section if isinstance(section, Mapping) else {}
