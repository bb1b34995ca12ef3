"""The spec: one YAML file that says what data, which tasks and which method; frozen and typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from components.data.slices import Slice
from components.evaluation.intervals import Confidence
from components.evaluation.metrics import family_of
from components.evaluation.thresholds import Threshold
from components.export.infra_validator import ServingLimits
from components.export.settings import Export
from components.ingestion.readers import Source
from components.ingestion.splits import HashSplits, Splits
from components.training.settings import Training
from models.discovery import choice, methods
from models.inputs.base import Input
from models.inputs.image import ImageInput
from models.inputs.text import TextInput
from models.multitask.methods import BalancingSpec, SharingSpec, TrunkSpec
from models.sharing.base import check_balancing
from models.tasks.base import Task
from models.transfer.base import Transfer
from models.transfer.fine_tune import FineTune
from models.trunks.tf_hub import TfHub
from pipeline.spec.study import Study
from pipeline.spec.tune import Tune

if TYPE_CHECKING:
    TransferSpec = Transfer
else:
    TransferSpec = choice("models.transfer", Transfer)

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
