"""The sections of a spec: one YAML file that names data, inputs, tasks and methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.data.slices import Slice
from components.errors import did_you_mean
from components.evaluation.intervals import Confidence
from components.evaluation.metrics import family_of
from components.evaluation.thresholds import Threshold
from components.export.infra_validator import ServingLimits
from components.export.settings import Export
from components.ingestion.readers import Source
from components.ingestion.splits import HashSplits, Splits
from components.training.pairing import has_classes
from components.training.settings import Training
from models.discovery import methods
from models.experts.base import Expert
from models.inputs.base import Input
from models.inputs.image import ImageInput
from models.inputs.text import TextInput
from models.masked_url import MaskedUrl
from models.multitask.by_input import OTHERS, ByInput
from models.tasks.base import Task
from models.trunks.base import Trunk
from models.trunks.tf_hub import TfHub
from pipeline.spec.model import Model
from pipeline.spec.names import Name, Title, UrlName
from pipeline.spec.orchestration import Orchestration
from pipeline.spec.part import Part
from pipeline.spec.study import Study
from pipeline.spec.tune import Tune

STORE, SERVING = ".rootstock", "serving"
"""The store and, in it, the folder of pushed models, where a spec names no others."""


class Duplicates(Part):
    """How to find duplicate rows: see `components.ingestion.deduplicator`.

    columns: rows that are equal in all of them are duplicates. near: also rows whose values of the
        first column are at least this similar. drop: remove them, instead of only reporting them.
    """

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    near: Annotated[float, Field(gt=0, le=1)] | None = None
    drop: bool = True


class Data(Part):
    """Where examples come from and how they are split.

    key: columns that identify an example. The hash of their values decides its split. By default
        each format has its own key.
    max_bad_fraction: largest share of unreadable records; ingestion fails above it.
    schema_file: a curated `schema.pbtxt` that the data is checked against; inferred when absent.
    previous: data of an earlier span, to detect drift. serving: requests to a served model, to
        detect skew. max_shift: threshold for columns without a comparator in the schema.
    duplicates: look for duplicate rows.
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


class Member(Part):
    """One model of an ensemble: the model of the spec, with changes.

    set: values by dotted key, as for `--set`. share: its weight in the mean of the answers; shares
        are divided by their sum.
    """

    set: dict[str, Any] = Field(default={})
    share: Annotated[float, Field(gt=0)] = 1.0


class Student(Part):
    """One model that learns from the labels and from the answers of the ensemble, and is served
    instead of it: the model of the spec, with changes.

    set: as in a member of the ensemble.
    """

    set: dict[str, Any] = Field(default={})


class Evaluation(Part):
    """How a model is evaluated.

    slices: groups of rows that are also evaluated separately. min_slice_rows: slices with fewer
        labelled rows are left out. confidence: of the intervals around metrics.
    weight: a column of row weights.
    decisions: decision threshold by task: the probability above which the answer is yes; by default
        the `decision` of the task.
    """

    slices: tuple[Slice, ...] = ()
    min_slice_rows: Annotated[int, Field(ge=1)] = 30
    confidence: Confidence = Confidence()
    weight: str | None = None
    decisions: dict[Name, Annotated[float, Field(ge=0, le=1)]] = Field(default={})


class Push(Part):
    """Where models that pass all checks are pushed: `<destination>/<spec name>/<version>/`.

    destination: a directory, or a URL that fsspec supports (`s3://…`, `gs://…`); `serving` in the
        store when absent. keep: number of newest versions to keep; all when absent. label: of the
        pushed version, such as `canary`.
    """

    destination: MaskedUrl = MaskedUrl(f"{STORE}/{SERVING}")
    keep: Annotated[int, Field(ge=1)] | None = None
    label: UrlName | None = None


class Tracking(Part):
    """Where runs are recorded.

    uri: of MLflow's tracking server; a SQLite file in the store when absent. experiment: its name
        in MLflow; the spec's name when absent.
    """

    backend: Literal["mlflow", "none"] = "mlflow"
    uri: MaskedUrl | None = None
    experiment: Title | None = None


class Spec(Part):
    """A whole pipeline. Relative paths start at the directory of the spec file.

    name: of the model, under which it is pushed and served. seed: random seed for initialisation,
        shuffling and sampling.
    ensemble: several models that are served as one; their answers are averaged.
    distilled: one model that learns from the ensemble, and is served instead of it.
    store: of the artifacts, which runs share: a directory, or a URL that fsspec supports (`s3://…`).
    """

    name: UrlName
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    data: Data
    inputs: Annotated[dict[Name, Input], Field(min_length=1)]
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    model: Model = Model()
    training: Training = Training()
    ensemble: tuple[Member, ...] = ()
    distilled: Student | None = None
    evaluation: Evaluation = Evaluation()
    thresholds: tuple[Threshold, ...] = ()
    export: Export = Field(default_factory=Export)
    limits: ServingLimits = Field(default_factory=ServingLimits)
    push: Push = Push()
    study: Study = Study()
    tune: Tune = Tune()
    tracking: Tracking = Tracking()
    orchestration: Orchestration = Orchestration()
    store: str = STORE

    @model_validator(mode="before")
    @classmethod
    def _destination_follows_the_store(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(store := value.get("store"), str):
            return value
        push = value.get("push") or {}
        if not isinstance(push, dict) or "destination" in push:
            return value
        return {**value, "push": {"destination": f"{store}/{SERVING}", **push}}

    @model_validator(mode="before")
    @classmethod
    def _names_from_keys(cls, value: Any) -> Any:
        """The keys of inputs and tasks are their names; an input's column defaults to its name, and
        `age: numeric` is short for `age: {kind: numeric}`.
        """
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for section, defaults in (("inputs", ("column",)), ("tasks", ())):
            if isinstance(items := value.get(section), dict):
                parts = {k: {"kind": v} if isinstance(v, str) else v for k, v in items.items()}
                filled[section] = {
                    k: {**dict.fromkeys(defaults, str(k)), **v, "name": str(k)}
                    if isinstance(v, dict)
                    else v
                    for k, v in parts.items()
                }
        return filled

    @model_validator(mode="after")
    def _balancing_names_tasks(self) -> Spec:
        self.model.balancing.check(list(self.tasks))
        return self

    @model_validator(mode="after")
    def _pairs_need_classes(self) -> Spec:
        transfer, tasks = self.model.transfer, self.tasks.values()
        if transfer is not None and transfer.on_pairs and not any(map(has_classes, tasks)):
            raise ValueError(
                f"model.transfer: {transfer.name} trains on pairs of rows of the same class and of"
                " different classes. Expected a binary or multiclass task. Received:"
                f" {', '.join(t.kind for t in tasks)}. Choose another mode, such as fine_tune"
            )
        return self

    @model_validator(mode="after")
    def _there_are_images_to_augment(self) -> Spec:
        images = any(isinstance(i, ImageInput) for i in self.inputs.values())
        others = len(self.inputs) > 1
        if self.training.augment is not None and not images:
            raise ValueError("training.augment changes images, but no input is an image")
        if self.training.augment is not None and self.training.augment.mixes and others:
            raise ValueError(
                "training.augment: mixup and cutmix mix the images of two rows. Expected one image"
                f" as the only input. Received: {', '.join(self.inputs)}"
            )
        return self

    def read_by_trunks(self) -> Iterator[tuple[str, Trunk, tuple[Input, ...]]]:
        """The key of each trunk, the trunk, and the inputs that it reads; at least one trunk."""
        trunk, inputs = self.model.whole_trunk, tuple(self.inputs.values())
        if not isinstance(trunk, ByInput):
            yield "model.trunk", trunk, inputs
            return
        for name, own in trunk.grouped(inputs).items():
            key = "model.trunk" if name == OTHERS else f"model.trunks.{name}.trunk"
            yield key, trunk.trunks[name], own

    @model_validator(mode="after")
    def _every_trunk_has_inputs(self) -> Spec:
        of_input: dict[str, str] = {}
        for name, part in self.model.trunks.items():
            for read in part.inputs or (name,):
                if read not in self.inputs:
                    how = "" if part.inputs else " State what it reads under `inputs`."
                    raise ValueError(
                        f"model.trunks.{name}: there is no input {read!r}."
                        f"{did_you_mean(read, list(self.inputs))} Expected some of"
                        f" {', '.join(self.inputs)}.{how}"
                    )
                if (other := of_input.setdefault(read, name)) != name:
                    raise ValueError(
                        f"model.trunks.{name}: input {read!r} is read by trunk {other!r} already."
                        " Expected one trunk for an input"
                    )
        return self

    @model_validator(mode="after")
    def _export_fits_the_trunk(self) -> Spec:
        hub = any(isinstance(part.trunk, TfHub) for part in self.model.parts.values())
        if hub and self.export.weights != "float32":
            raise ValueError(
                "export.weights: a TF-Hub module keeps its weights as they are. Expected float32,"
                f" or another trunk. Received: {self.export.weights}"
            )
        texts = any(isinstance(i, TextInput) for i in self.inputs.values())
        if hub and self.export.xla and texts:
            raise ValueError(
                "export.xla: XLA cannot compile a TF-Hub module that takes texts. Leave it out, or"
                " take another trunk"
            )
        return self

    @model_validator(mode="after")
    def _an_ensemble_is_not_compiled(self) -> Spec:
        if self.distilled and not self.ensemble:
            raise ValueError("distilled: there is no `ensemble` to learn from")
        if self.ensemble and self.export.xla:
            raise ValueError("export.xla: an ensemble is not compiled. Leave one of the two out")
        if self.ensemble and not self.distilled and self.export.formats:
            raise ValueError(
                "export.formats: an ensemble has no single network. Distill it (`distilled: {}`),"
                " or leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _portable_formats_can_express_the_experts(self) -> Spec:
        kinds, known = self.model.experts, methods("models.experts", Expert, "kind")
        if kinds == "auto":
            others = [i.name for i in self.inputs.values() if i.raw != "bytes"]
            kinds = tuple(known) if others else ()
        foreign = [kind for kind in kinds if kind != "none" and not known[kind].portable]
        if self.export.formats and foreign:
            raise ValueError(
                f"export.formats: LiteRT and ONNX cannot express the experts {', '.join(foreign)}."
                " Set `model.experts: none`, or leave `export.formats` out. Received experts:"
                f" {self.model.experts if isinstance(self.model.experts, str) else list(kinds)}"
            )
        return self

    @model_validator(mode="after")
    def _labels_are_not_inputs(self) -> Spec:
        for task in self.tasks.values():
            for name, spec in self.inputs.items():
                if spec.column == task.label:
                    raise ValueError(
                        f"input {name!r} reads column {task.label!r}, which is the label of task"
                        f" {task.name!r}: the model would see the answer"
                    )
        for name in self.evaluation.decisions:
            kind = self.tasks[name].kind if name in self.tasks else None
            if kind is None or not family_of(kind).has_decision:
                problem = f"is a {kind} task" if kind else f"is none of {list(self.tasks)}"
                kinds = methods("models.tasks", Task, "kind")
                deciding = [k for k in kinds if family_of(k).has_decision]
                raise ValueError(
                    f"evaluation.decisions: {name!r} {problem}; expected {' or '.join(deciding)}"
                    " tasks, which answer yes above a probability"
                )
        for threshold in self.thresholds:
            if threshold.task not in self.tasks:
                raise ValueError(
                    f"thresholds: no task {threshold.task!r}; expected one of {list(self.tasks)}"
                )
        return self
