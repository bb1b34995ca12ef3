"""The spec: one YAML file that says what data, which tasks and which method; frozen and typed."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from components.data.slices import Slice
from components.evaluation.intervals import Confidence
from components.evaluation.thresholds import Threshold
from components.export.infra_validator import ServingLimits
from components.export.settings import Export
from components.ingestion.readers import Reader, Source
from components.ingestion.splits import HashSplits, Splits
from components.stage import RootstockError
from components.training.trainer import Training
from models.inputs.spec import ImageInput, Input, TextInput
from models.multitask.methods import BalancingSpec, SharingSpec, TransferSpec, TrunkSpec
from models.sharing.base import check_balancing
from models.tasks.base import Task
from models.transfer.fine_tune import FineTune
from models.trunks.tf_hub import TfHub
from pipeline.spec.paths import located
from pipeline.spec.study import Study
from pipeline.spec.tune import Tune
from pipeline.spec.yaml_file import YamlFile, read_yaml

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""Names become directories, output names and signatures."""


class Part(BaseModel):
    """A section of the spec: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Duplicates(Part):
    """Rows that are equal in `columns`, or whose first column is nearly the same; see
    `components.ingestion.deduplicator`.
    """

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    near: Annotated[float, Field(gt=0, le=1)] | None = None
    drop: bool = True


class Data(Part):
    """Where examples come from and how they are split.

    key: columns that identify an example, whose hash decides its split; each format's own if empty.
    max_bad_fraction: share of unreadable records that may be quarantined before ingestion fails.
    schema_file: a curated `schema.pbtxt` to hold the data to; inferred when absent.
    previous: an earlier span, to find drift from. serving: what a served model was asked, to find
        skew from. max_shift: of columns for which the schema has no comparator.
    """

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    splits: Splits = HashSplits()
    key: tuple[str, ...] = ()
    max_bad_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    schema_file: str | None = None
    previous: tuple[Source, ...] = ()
    serving: tuple[Source, ...] = ()
    max_shift: Annotated[float, Field(ge=0, le=1)] = 0.1
    duplicates: Duplicates | None = None


class Model(Part):
    """Trunk, how tasks share it, and how their losses are balanced.

    transfer: how the weights of a pretrained trunk adapt: `fine_tune` when absent. Other trunks
        then train as a whole.
    """

    trunk: TrunkSpec = Field(default={"name": "scratch"}, validate_default=True)
    sharing: SharingSpec = Field(default={"name": "hard"}, validate_default=True)
    balancing: BalancingSpec = Field(default={"name": "equal"}, validate_default=True)
    transfer: TransferSpec | None = None

    @model_validator(mode="after")
    def _pretrained_weights_adapt(self) -> Model:
        if self.transfer is None and self.trunk.pretrained:
            self.__dict__["transfer"] = FineTune()
        return self

    @model_validator(mode="after")
    def _gradients_meet(self) -> Model:
        check_balancing(self.sharing, self.balancing)
        return self


class Evaluation(Part):
    """How a model is measured: on which slices of the rows, and how surely.

    min_slice_rows: slices with fewer labelled rows are left out. weight: a column of row weights.
    decisions: by task, above which probability the answer is yes; 0.5 elsewhere.
    """

    slices: tuple[Slice, ...] = ()
    min_slice_rows: Annotated[int, Field(ge=1)] = 30
    confidence: Confidence = Confidence()
    weight: str | None = None
    decisions: dict[Name, Annotated[float, Field(ge=0, le=1)]] = {}


class Push(Part):
    """Where blessed models go: `<destination>/<spec name>/<version>/`.

    destination: a directory, or a URL that fsspec knows (`s3://…`, `gs://…`). keep: how many
    versions stay there; all when absent. label: of the pushed version, such as `canary`.
    """

    destination: str = ".rootstock/serving"
    keep: Annotated[int, Field(ge=1)] | None = None
    label: Name | None = None


class Tracking(Part):
    """Where runs are recorded.

    uri: of MLflow's tracking server; SQLite in the store when absent. experiment: the spec's name
        when absent.
    """

    backend: Literal["mlflow", "none"] = "mlflow"
    uri: str | None = None
    experiment: str | None = None


class Spec(Part):
    """A whole pipeline. Relative paths are relative to the spec file.

    name: of the model, where it is pushed and served. seed: of all that is drawn.
    store: where artifacts are kept, which runs share.
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    data: Data
    inputs: Annotated[dict[Name, Input], Field(min_length=1)]
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    model: Model = Model()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    thresholds: tuple[Threshold, ...] = ()
    export: Export = Field(default_factory=Export)
    limits: ServingLimits = Field(default_factory=ServingLimits)
    push: Push = Push()
    study: Study = Study()
    tune: Tune = Tune()
    tracking: Tracking = Tracking()
    store: str = ".rootstock"

    @model_validator(mode="before")
    @classmethod
    def _names_from_keys(cls, value: Any) -> Any:
        """Inputs and tasks are named by their keys; an input's column defaults to its name."""
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for section in ("inputs", "tasks"):
            items = value.get(section)
            if isinstance(items, dict):
                filled[section] = {
                    k: {**v, "name": str(k)} if isinstance(v, dict) else v for k, v in items.items()
                }
        if isinstance(filled.get("inputs"), dict):
            for k, v in filled["inputs"].items():
                if isinstance(v, dict):
                    v.setdefault("column", str(k))
        return filled

    @model_validator(mode="after")
    def _balancing_names_tasks(self) -> Spec:
        self.model.balancing.check(list(self.tasks))
        return self

    @model_validator(mode="after")
    def _there_are_images_to_augment(self) -> Spec:
        images = any(isinstance(i, ImageInput) for i in self.inputs.values())
        if self.training.augment is not None and not images:
            raise ValueError("training.augment changes images, and no input is one")
        return self

    @model_validator(mode="after")
    def _export_fits_the_trunk(self) -> Spec:
        if not isinstance(self.model.trunk, TfHub):
            return self
        if self.export.weights != "float32":
            raise ValueError(
                "export.weights: a TF-Hub module keeps its weights as they are. Expected float32,"
                f" or another trunk. Received: {self.export.weights}"
            )
        if self.export.xla and any(isinstance(i, TextInput) for i in self.inputs.values()):
            raise ValueError(
                "export.xla: XLA cannot compile a TF-Hub module that takes texts. Leave it out, or"
                " take another trunk"
            )
        return self

    @model_validator(mode="after")
    def _labels_are_not_inputs(self) -> Spec:
        for task in self.tasks.values():
            for name, given in self.inputs.items():
                if given.column == task.label:
                    raise ValueError(
                        f"input {name!r} reads column {task.label!r}, which is the label of task"
                        f" {task.name!r}: the model would be told the answer"
                    )
        for name in self.evaluation.decisions:
            kind = self.tasks[name].kind if name in self.tasks else None
            if kind not in ("binary", "multilabel"):
                told = f"is a {kind} task" if kind else f"is none of {list(self.tasks)}"
                raise ValueError(
                    f"evaluation.decisions: {name!r} {told}; expected binary or multilabel tasks,"
                    " which answer yes above a probability"
                )
        for threshold in self.thresholds:
            if threshold.task not in self.tasks:
                raise ValueError(
                    f"thresholds: no task {threshold.task!r}; expected one of {list(self.tasks)}"
                )
        return self


def load_spec(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[Spec, YamlFile]:
    """Read and check a spec file; also gives the file itself, for the record.

    Raises:
        RootstockError: naming file, line and field, what was expected and what was found.
    """
    file = read_yaml(path, overrides, variables or {})
    try:
        spec = Spec.model_validate(file.content)
    except ValidationError as e:
        raise RootstockError("\n".join(_sentences(e, file))) from e
    return _with_absolute_paths(spec, path.resolve().parent), file


def parse_source(text: str) -> Reader:
    """A source from YAML; its path is relative to the current directory.

    Raises:
        RootstockError: it is not one.
    """
    try:
        source: Reader = TypeAdapter(Source).validate_python(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as e:
        raise RootstockError(f"--source {text}: {e}") from e
    return source.located(os.getcwd())


def _with_absolute_paths(spec: Spec, base: Path) -> Spec:
    def absolute(p: str) -> str:
        return os.path.normpath(os.path.join(base, os.path.expanduser(p)))

    data = spec.data.model_copy(
        update={
            **{
                name: tuple(s.located(str(base)) for s in getattr(spec.data, name))
                for name in ("sources", "previous", "serving")
            },
            "schema_file": spec.data.schema_file and absolute(spec.data.schema_file),
        }
    )
    place = spec.push.destination
    push = spec.push.model_copy(
        update={"destination": place if "://" in place else absolute(place)}
    )
    model = spec.model.model_copy(update={"trunk": located(spec.model.trunk, str(base))})
    inputs = {name: located(given, str(base)) for name, given in spec.inputs.items()}
    return spec.model_copy(
        update={
            "data": data,
            "inputs": inputs,
            "model": model,
            "push": push,
            "store": absolute(spec.store),
        }
    )


def _sentences(error: ValidationError, file: YamlFile) -> list[str]:
    """One sentence for each thing that is wrong with a spec."""
    found = []
    for e in error.errors():
        if e["type"] == "too_short" and any(
            o["loc"][: len(e["loc"])] == e["loc"] != o["loc"] for o in error.errors()
        ):
            continue  # pydantic counts only the valid items of a tuple
        where = _in_file(e["loc"], file.content)
        told = e["msg"].removeprefix("Value error, ")
        if e["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = _keys_beside(e["loc"])
            told = f"unknown key{_close(str(where[-1]), known)} Known here: {', '.join(known)}."
        elif e["type"] == "missing":
            told = "is required and is not given"
        elif e["type"] == "union_tag_invalid":
            tags = str(e["ctx"]["expected_tags"]).replace("'", "").split(", ")
            tag = str(e["ctx"]["tag"])
            where = (*where, str(e["ctx"]["discriminator"]).strip("'"))
            told = f"{tag!r} is not known{_close(tag, tags)} Expected one of: {', '.join(tags)}."
        elif e["type"] == "union_tag_not_found":
            told = f"needs the key {e['ctx']['discriminator']}"
        elif e["type"] == "tuple_type":
            told = f"expected a list, such as [{e['input']}] (found {e['input']!r})"
        elif e["type"] != "value_error":
            told += f" (found {e['input']!r})"
        key = ".".join(map(str, where)) or "spec"
        found.append(f"{file.place(where)}: {key}: {told}")
    return list(dict.fromkeys(found))


def _close(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else "."


def _in_file(loc: tuple[str | int, ...], content: Any) -> tuple[str | int, ...]:
    """The key path of an error as the file spells it: without the names of union branches."""
    where: list[str | int] = []
    tagged: set[int] = set()
    for i, part in enumerate(loc):
        if isinstance(content, dict) and part == content.get("kind") and id(content) not in tagged:
            tagged.add(id(content))  # a key may have the name of the branch
            continue
        inside = part in content if isinstance(content, dict) else isinstance(part, int)
        if inside or (i == len(loc) - 1 and isinstance(content, dict)):
            where.append(part)
        if isinstance(content, dict):
            content = content[part] if inside else content
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part]
    return tuple(where)


def _keys_beside(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema knows where an unknown one stands."""
    schema = Spec.model_json_schema()
    here: dict[str, Any] = schema
    for part in loc[:-1]:
        if isinstance(part, int):
            here = here.get("items", {})
        elif part in (tags := here.get("discriminator", {}).get("mapping", {})):
            here = {"$ref": tags[part]}
        else:
            anything: dict[str, Any] = next(iter(here.get("patternProperties", {}).values()), {})
            here = here.get("properties", {}).get(part, anything)
        here = next((b for b in here.get("anyOf", ()) if "$ref" in b), here)
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
    return sorted(here.get("properties", {}))
