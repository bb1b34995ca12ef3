"""`rootstock init`: writes a first spec for a data set, guessed from its first rows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.data.atomic import write_whole
from components.data.casting import is_number
from components.data.lazy import np, pa
from components.data.row_keys import split_indices
from components.errors import RootstockError, did_you_mean
from components.ingestion.splits import HashSplits
from pipeline.spec.guesses import (
    guess_augment,
    guess_input,
    guess_key,
    guess_splits,
    guess_task,
    inputs_of,
    numbers_rows,
)
from pipeline.spec.load import load_spec
from pipeline.spec.names import names_of
from pipeline.spec.starter_sources import (
    FOLDERS,
    ROWS,
    SPLITS,
    SourceSpec,
    check_columns,
    other_files,
    reader_of,
    sources_of,
    with_spelling,
)
from pipeline.spec.starter_thresholds import ENOUGH, guess_thresholds, rarest
from pipeline.spec.validate import validate

FILE = {"class": "the folder, which is the class", "path": "identifies the file"}
ROBUST = (
    "has outliers or a long tail, so that a few rows would decide a squared error: the task has"
    " `loss: huber`. Are the largest values right?"
)
GRADES = (
    "its whole numbers are taken as classes. If they are grades or counts, so that near ones are"
    " alike, take `kind: regression` or `kind: count`."
)
FEWEST_GRADES = 5
NUMBERED = (
    "it numbers the rows, one after another, as an id does, which nothing predicts. Is it the right"
    " label?"
)
AUGMENTED = (
    "training.augment mirrors and shifts the images at random in every epoch. Remove `flip` if left"
    " and right differ in meaning, as in texts and traffic signs."
)
THRESHOLDS = (
    "thresholds: a model is pushed if it beats chance on test rows, and is not significantly worse"
    " than the model served then."
)
UNJUDGED = "Until you add some, a model is pushed whatever its metrics are."
STRATIFIED = (
    "a class has few rows, so classes have the same shares in every split"
    " (data.splits.stratify); a row can change its split when data is added"
)
FIFTHS = "; validation and test get a fifth each, because a tenth of so few labels can be none"
GROUP = "marks rows that belong together (--group)"
FEW_GROUPS, SEEDS = 20, 200
FEW_LABELS = 300
"""With fewer, pretrained trunks of texts and images were ahead in our measurements."""
PRETRAINED = {"text", "image"}
"""Kinds of inputs for which there are pretrained trunks."""
SCARCE = 50
"""With fewer rows of a class, chance divides them unevenly between the splits."""
IN_FIFTHS = {"train": 0.6, "val": 0.2, "test": 0.2}
BESIDE = "beside the image: if it is known for new images, make it an input; else predict it too"


def write_starter(
    data: Path,
    labels: Sequence[str],
    target: Path,
    group: str | None = None,
    schema: str | None = None,
    asks: bool = True,
) -> tuple[str, ...]:
    """Write a valid spec for some data, and return notes on it for the user.

    labels: columns to predict; may be empty for folders of classes, where the class is predicted.
    group: a column whose values mark rows that belong together; guessed if absent.
    schema: a file with the JSON Schema of specs, relative to `target`, for editors.
    asks: whether notes may ask what the user should check first, as of a label that is an id; else
        that is an error.

    Raises:
        RootstockError: `target` exists; the data cannot be read; a label is missing or no column.
    """
    if target.exists():
        raise RootstockError(f"{target} exists already. Name another file with --output.")
    text, notes = _starter(data, labels, target.resolve().parent, group)
    command = ["rootstock", "init", str(data)]
    command += [part for label in labels for part in ("--label", label)]
    command += ["--group", group] if group else []
    command += ["--output", str(target)]
    if not asks and (ids := [note for note in notes if note.endswith(NUMBERED)]):
        raise RootstockError(
            f"--label {ids[0]} If it is, write the spec first: {shlex.join(command)}"
        )
    for_editors = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, for_editors + text)
    if problems := validate(load_spec(target)[0]):
        message = f"{target} was written, but has to be corrected before it can run:"
        raise RootstockError("\n".join([message, *problems]))
    return tuple(notes)


def _starter(
    data: Path, labels: Sequence[str], base: Path, group: str | None
) -> tuple[str, list[str]]:
    """The spec in YAML, and notes on it. base: the directory at which its paths start."""
    sources, spelling = sources_of(data.absolute(), base), other_files(data)
    if sources[0]["format"] == "csv":
        sources, own = with_spelling(sources, base, labels)
        spelling += own
    table = reader_of(sources[0], base).peek(ROWS)
    manifest = sources[0]["format"] == "image_manifest"
    folder = "class" in table.column_names and sources[0]["format"] in FOLDERS.values()
    labels = labels or (["class"] if folder else [])
    columns = ", ".join(table.column_names)
    if not labels:
        raise RootstockError(
            f"{data}: which columns should be predicted? Name each with --label. Columns there:"
            f" {columns}."
        )
    if unknown := next((c for c in labels if c not in table.column_names), None):
        near = did_you_mean(unknown, table.column_names)
        raise RootstockError(
            f"--label {unknown}: no such column in {data}.{near} Columns: {columns}."
        )
    if folder and labels == ["class"] and len(only := table.column("class").unique()) == 1:
        raise RootstockError(
            f"{data}: all files are in one folder, {only[0]}, so there is one class. Expected a"
            " folder for each of two or more classes."
        )
    names = names_of(table.column_names)
    tasks = {names[label]: guess_task(table.column(label), label) for label in labels}
    robust = [t["label"] for t in tasks.values() if t.get("loss") == "huber"]
    grades = [t["label"] for t in tasks.values() if _may_be_grades(t, table.column(t["label"]))]
    others = [column for column in table.column_names if column not in labels]
    if group is not None and group not in others:
        raise RootstockError(
            f"--group {group}: expected a column of {data} that is no label. Columns: {columns}."
        )
    if group is not None and (count := len(table.column(group).unique())) < len(SPLITS):
        raise RootstockError(
            f"--group {group}: {'one value' if count == 1 else f'{count} values'} in the first"
            f" {table.num_rows:,} rows. Groups are never divided, so training, validation and test"
            f" need {len(SPLITS)} of them. Expected a column with more values, or no --group."
        )
    key, left_out = (None, {}) if folder else guess_key(table, others)
    if group is not None:
        key, left_out = group, {**left_out, group: GROUP}
    left_out |= _fixed(sources[0])
    splits = guess_splits(table, others)
    if splits is not None:
        left_out[splits["column"]] = "names the split of each row"
    inputs: dict[str, Any] = {}
    notes = spelling + [f"{label}: {ROBUST}" for label in robust]
    notes += [f"{label}: {GRADES}" for label in grades]
    notes += [f"{la}: {NUMBERED}" for la in labels if numbers_rows(table.column(la))]
    for column in others:
        name = names[column]
        if column in left_out:
            continue
        if manifest and column != "image":
            left_out[column] = BESIDE
            continue
        guess = guess_input(column, table.column(column))
        if isinstance(guess, str):
            left_out[column] = guess
        else:
            several = inputs_of(name, guess, {*names.values(), *inputs} - {name})
            inputs |= {
                n: part | ({} if n == column else {"column": column}) for n, part in several.items()
            }
            if len(several) > 1:
                form = guess.get("date_format", "y-m-d")
                notes.append(
                    f"{column}: its dates, taken as {form}, are read by {', '.join(several)}."
                )
    read = list(dict.fromkeys(i.get("column", name) for name, i in inputs.items()))
    check_columns(sources, base, [*dict.fromkeys([*read, *labels])])
    left_out = {c: reason for c, reason in left_out.items() if c in others}
    accounted = sorted([*dict.fromkeys([*read, *labels]), *left_out])
    assert accounted == sorted(table.column_names), "a column is lost"
    if key and (count := len(table.column(key).unique())) < FEW_GROUPS:
        notes.append(
            f"{key}: only {count} groups, so that figures of the evaluation are uncertain."
        )
    notes = [f"left out {column}: {reason}" for column, reason in left_out.items()] + notes
    if not inputs:
        raise RootstockError(f"{data}: no column is left to predict from. " + "; ".join(notes))
    if few := _few_labels(tasks, table, inputs):
        notes.append(few)
    held_out = {s["split"] for s in sources if "split" in s}
    drawn = not key and not splits and held_out != {"val", "test"}
    if stratify := _stratified(tasks, table) if drawn else {}:
        fifths = FIFTHS if "val" in stratify and not held_out else ""
        notes.append(f"{stratify['stratify']}: {STRATIFIED}{fifths}.")
    augment = guess_augment(inputs.values())
    notes += [AUGMENTED] if augment else []
    shares = HashSplits(**_splits(held_out, stratify).get("splits", {})).shares
    thresholds, why = list[dict[str, Any]](), "the test rows are not known yet"
    if not splits and "test" not in held_out:
        thresholds = guess_thresholds(tasks, table, key, shares[SPLITS.index("test")])
        why = f"the test split may have fewer than {ENOUGH} rows, groups or rows of a class"
    notes += [THRESHOLDS] if thresholds else []
    if unjudged := [name for name in tasks if name not in {t["task"] for t in thresholds}]:
        notes.append(f"no thresholds for {', '.join(unjudged)}: {why}. {UNJUDGED}")
    content: dict[str, Any] = {
        "name": re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9_-]+", "", data.name.split(".")[0]) or "first",
        "data": {
            "sources": sources,
            **({"key": [key]} if key else {}),
            **({"splits": splits} if splits and not held_out else _splits(held_out, stratify)),
            **(_of_groups(table, key) if key and not splits and not held_out else {}),
        },
        "inputs": inputs,
        "tasks": tasks,
        **({"thresholds": thresholds} if thresholds else {}),
        **({"training": {"augment": augment}} if augment else {}),
    }
    rows = f"{table.num_rows:,} rows"
    first = f"Guessed from {rows} by `rootstock init`: check it. Keys: docs/spec.md."
    columns = f"{len(accounted)} columns: {len(read)} read, {len(tasks)} predicted"
    columns += f", {len(left_out)} left out" if left_out else ""
    notes.insert(0, f"{columns}.")
    comments = "".join(f"# {' '.join(line.split())}\n" for line in (first, *notes))
    return comments + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), notes


def _may_be_grades(task: dict[str, Any], column: pa.ChunkedArray) -> bool:
    numbers = task["kind"] == "multiclass" and is_number(column.type)
    return numbers and len(column.drop_null().unique()) >= FEWEST_GRADES


def _few_labels(
    tasks: Mapping[str, Mapping[str, Any]], table: pa.Table, inputs: Mapping[str, Any]
) -> str:
    """What to try where labels are few and there are pretrained trunks; empty elsewhere."""
    labels = [task["label"] for task in tasks.values()]
    labelled = {la: table.num_rows - table.column(la).null_count for la in labels}
    label = min(labelled, key=lambda la: labelled[la])
    kinds = {part["kind"] for part in inputs.values()}
    if table.num_rows >= ROWS or labelled[label] >= FEW_LABELS or not kinds & PRETRAINED:
        return ""
    return (
        f"{label}: {labelled[label]} labelled rows. With fewer than {FEW_LABELS}, a pretrained"
        " trunk usually does better: see Few labels in docs/transfer.md."
    )


def _stratified(tasks: Mapping[str, Mapping[str, Any]], table: pa.Table) -> dict[str, Any]:
    """Splits by the label that has the rarest class, if all rows were read and that class has few;
    in fifths, if the label has few rows, too.
    """
    counts = {
        task["label"]: rarest(table.column(task["label"]), task["kind"])
        for task in tasks.values()
        if task["kind"] in ("binary", "multiclass")
    }
    label = min(counts, key=lambda la: counts[la], default=None)
    if label is None or counts[label] >= SCARCE or table.num_rows >= ROWS:
        return {}
    few = table.num_rows - table.column(label).null_count < FEW_LABELS
    return (IN_FIFTHS if few else {}) | {"stratify": label}


def _of_groups(table: pa.Table, key: str) -> dict[str, Any]:
    """Splits none of which is empty, which is likely with few groups."""
    (rows,) = table.select([key]).combine_chunks().to_batches()
    for seed in range(SEEDS):
        splits = split_indices(rows, [key], HashSplits().shares, seed)
        if len(np.unique(splits)) == len(SPLITS):
            return {"splits": {"seed": seed}} if seed else {}
    return {}


def _fixed(source: SourceSpec) -> dict[str, str]:
    """Why columns that a reader adds, or needs, are left out."""
    if source["format"] == "image_manifest":
        paths = source["column"]
        return {} if paths == "image" else {paths: "the path of the image"}
    return FILE if source["format"] in FOLDERS.values() else {}


def _splits(held_out: set[str], stratify: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """How to split the rows of the other sources, if some sources are a whole split. stratify: see
    `_stratified`.
    """
    splits = dict(stratify or {})
    if held_out:
        val = 0.0 if "val" in held_out else 0.1
        splits |= {"train": 1.0 - val, "val": val, "test": 0.0}
        if "test" not in held_out:
            splits |= {"train": 0.8, "val": 0.0, "test": 0.2}
    return {"splits": splits} if splits else {}
