"""What a run does to the model that is served: it replaces it, leaves it, or pushes elsewhere.

The rule is `YamlFile.may_replace`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.artifacts import Evaluation, PushRecord
from pipeline.operations.deployment import explained
from pipeline.spec.metrics import sign
from pipeline.spec.sections import SERVING, STORE, Spec
from pipeline.spec.yaml_file import YamlFile
from pipeline.store.store import Store

STAYS = (
    "a run with --set does not replace it. `rootstock push` with the same arguments does"
    " (in Python: rs.run(spec, push=True))."
)
NEITHER = ("best_f1_threshold",)
"""Figures that are no better if they are larger or smaller."""
Metrics = Mapping[str, Mapping[str, float | None]]
"""Values by task and metric."""


def planned(spec: Spec, file: YamlFile) -> Iterator[str]:
    """What a run would do to the model that is served, in sentences; for directories only, because
    to look into an object store takes a while.
    """
    if "://" in spec.push.destination:
        return
    with explained(spec) as place:
        trials, where = place.trial_versions(spec.name), place.location(spec.name)
        if spec.push.label is None:
            served = max((v for v in place.history(spec.name) if v not in trials), default=0)
        else:
            served = place.labels(spec.name).get(spec.push.label, 0)
    if served and not file.may_replace:
        yield f"Version {served} in {where} is served; {STAYS}"
    elif served:
        yield (
            f"A run pushes to {where}. If the new model passes its checks, it replaces version"
            f" {served}, which is served now."
        )
    if moved := moved_from(spec, file):
        yield moved


def moved_from(spec: Spec, file: YamlFile) -> str:
    """A sentence on models that a spec pushed elsewhere, before `push.destination` followed the
    store, or with another store; empty if there are none, or if the new place has models too.
    """
    before = file.path.absolute().parent / STORE / SERVING / spec.name
    now = Path(spec.push.destination) / spec.name
    stated = "destination" in (file.content.get("push") or {})
    if stated or before == now or now.exists() or not before.is_dir():
        return ""
    return (
        f"Models go to {now}, because push.destination follows the store. Those in {before} stay"
        f" there; `push: {{destination: {before.parent}}}` in the spec takes them up again."
    )


def held(record: PushRecord) -> str:
    """Why a model was not pushed that would have replaced another one, and how to push it."""
    return f"Not pushed: version {record.served} is served; {STAYS}"


def replaced(spec: Spec, record: PushRecord, evaluation: Evaluation, store: Store) -> list[str]:
    """That a push replaced another model, and by how much each metric changed.

    evaluation: of the pushed model.
    """
    name = f"version {record.served}"
    label = f" with label {record.label!r}" if record.label else ""
    rows, theirs = _before(record.served_digest, evaluation, store)
    lines = [f"REPLACED: {name}, which was served{label} until now. {rows}"]
    ours = _values(_read(evaluation.path))
    for task, values in ours.items() if theirs else ():
        changes = _changes(spec, task, values, theirs.get(task, {}))
        lines += [
            f"  {task} {how}: {', '.join(listed)}" for how, listed in changes.items() if listed
        ]
    if record.label is None:
        lines.append("  To serve the model before it again: rootstock rollback SPEC")
    return lines


def _before(digest: str, evaluation: Evaluation, store: Store) -> tuple[str, Metrics]:
    """The metrics of the model that was served, and a sentence on the rows."""
    now = _read(evaluation.path)
    if now["champion"] == digest:
        compared = {t: of["changes"] for t, of in now["tasks"].items() if of["changes"]}
        if compared:
            values = {t: {m: c["champion"] for m, c in of.items()} for t, of in compared.items()}
            return f"On the same {now['rows']:,} {now['split']} rows:", values
    ours = store.producer(evaluation)
    examples = None if ours is None else ours.identity.inputs["examples"]
    entries = filter(None, map(store.at, (store.root / "Evaluator").glob("[!.]*")))
    known = [e for e in entries if e.identity.inputs["model"].endswith(f":{digest}")]
    if not known:
        return (
            "Its metrics on these rows are not known; thresholds with min_change compare them.",
            {},
        )
    entry = max(known, key=lambda e: (e.identity.inputs["examples"] == examples, e.created))
    then = _read(entry.output("evaluation"))
    same = entry.identity.inputs["examples"] == examples and then["split"] == now["split"]
    rows = f"{now['rows']:,} {now['split']} rows"
    where = f"the same {rows}" if same else f"{rows}, and before on {then['rows']:,} of other data"
    return f"On {where}:", _values(then)


def _read(evaluation: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((evaluation / "evaluation.json").read_text("utf-8"))
    return content


def _values(evaluation: Mapping[str, Any]) -> Metrics:
    return {task: of["values"] for task, of in evaluation["tasks"].items()}


def _changes(
    spec: Spec, task: str, ours: Mapping[str, float | None], theirs: Mapping[str, float | None]
) -> Mapping[str, Sequence[str]]:
    """Metrics that are worse, better and equal, the main one first."""
    found: dict[str, list[str]] = {"is WORSE": [], "is better": [], "is equal": []}
    for metric, value in ours.items():
        if value is None or (before := theirs.get(metric)) is None or metric in NEITHER:
            continue
        change = sign(spec, task, metric) * (value - before)
        how = "is equal" if change == 0 else "is better" if change > 0 else "is WORSE"
        from_to = f"{before:.4f} to {value:.4f}" if change else f"{value:.4f}"
        found[how].append(f"{metric} {from_to}")
    return found
