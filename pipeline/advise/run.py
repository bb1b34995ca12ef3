"""`rootstock advise`: scores trunks with one forward pass, and task groups with one joint run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.artifacts import Affinities, Batches, Examples
from components.data.atomic import write_whole
from components.data.lazy import np
from components.errors import RootstockError
from components.experiments.task_affinity import TaskAffinity
from components.labels.encoding import encode, resolve
from components.stage import BeamOptions
from components.training.recipe import TrainerInputs
from components.transform.batches import load_columns, stored_representation
from components.transform.embed import Embed, EmbedInputs
from models.tasks.base import Task
from pipeline.advise import advice as advices
from pipeline.advise.advice import Advice, Represented, TaskAffinities, TrunkScores
from pipeline.advise.report import data, html, markdown, text
from pipeline.display import Verbosity, WithoutLines, near, showing
from pipeline.flow import recipe
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource
from pipeline.spec.runnable import runnable_specs
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.study.arms import PlannedArm
from pipeline.study.design import Design, design
from pipeline.study.jobs import prepared


def give_advice(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    models: int | None = None,
    beam: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
    verbosity: Verbosity = "normal",
) -> Path:
    """Score the trunks of a spec's arms, measure the task affinities, and write the report.

    models: the most models that may be served.

    Returns:
        The directory of the report.

    Raises:
        RootstockError: the spec or its data is invalid.
    """
    if models is not None and models < 1:
        raise RootstockError(f"--models: expected at least one, received {models}.")
    source = SpecSource(path, tuple(overrides), variables or {})
    planned_design = design(source)
    spec = planned_design.spec
    store = Store(local(spec.store)).open()
    with (
        showing(store.root, verbosity) as display,
        Runner(store, display=WithoutLines(display), beam=beam) as runner,
    ):
        display.line(f"{spec.name}: preparing the data")
        ready = prepared(planned_design, runner)
        trunks = []
        for arm in _candidates(planned_design):
            display.line(f"{arm.name}: computing the trunk's representation of every row")
            trunks.append(_scored(arm, ready.inputs[arm.name, 0], runner))
        affinity = None
        if len(spec.tasks) > 1:
            display.line("Measuring task affinities in one joint training run")
            own = _own(planned_design)
            stage = TaskAffinity(recipe=recipe(own.spec))
            affinity = read_affinity(runner(stage, ready.inputs[own.name, 0]).affinities)
    advice = advices.advise(trunks, affinity, models)
    directory = store.root / "advice" / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in _specs(advice, planned_design, source).items():
        write_whole(directory / name, content)
    write_whole(directory / "advice.md", markdown(advice, spec.name))
    write_whole(directory / "advice.json", data(advice))
    write_whole(directory / "advice.html", html(advice, spec.name))
    print(text(advice, spec.name))
    print(f"The report: {near(directory / 'advice.html')}")
    print(f"To check the advice: rootstock study {near(directory / 'advised.yaml')}")
    print(f"To follow it: rootstock run {near(directory / 'advised.yaml')}")
    return directory


def _candidates(planned_design: Design) -> list[PlannedArm]:
    by_trunk: dict[str, PlannedArm] = {}
    for arm in planned_design.compared:
        by_trunk.setdefault(repr((arm.spec.model.whole_trunk, arm.spec.inputs)), arm)
    return list(by_trunk.values())


def _own(planned_design: Design) -> PlannedArm:
    """The arm with the spec's own trunk, or else the first arm."""
    arms, trunk = planned_design.compared, planned_design.spec.model.whole_trunk
    return next((arm for arm in arms if arm.spec.model.whole_trunk == trunk), arms[0])


def _scored(arm: PlannedArm, inputs: TrainerInputs, run: Runner) -> TrunkScores:
    trunk, embeddings = arm.spec.model.whole_trunk, inputs.embeddings
    if embeddings is None or arm.spec.model.embedded != trunk:
        embed_inputs = EmbedInputs(inputs.preprocessing, inputs.batches, inputs.pretrained)
        embeddings = run(Embed(trunk=trunk), embed_inputs).embeddings
    tasks = tuple(arm.spec.tasks.values())
    train = _represented(inputs.examples, embeddings, tasks, "train", advices.ROWS)
    if inputs.examples.num_rows("val"):
        other = _represented(inputs.examples, embeddings, tasks, "val", advices.ROWS // 2)
    else:
        train, other = (train.rows(slice(start, None, 2)) for start in (0, 1))
    return advices.score_trunk(arm.name, not trunk.pretrained, tasks, train, other)


def _represented(
    examples: Examples, embeddings: Batches, tasks: Sequence[Task], split: str, most: int
) -> Represented:
    """A random sample of a split's rows."""
    stored = stored_representation(embeddings)
    features = load_columns(embeddings, split, (stored,))[stored.name]
    columns = list(dict.fromkeys(t.label for t in tasks))
    table, train = (examples.read(s, columns) for s in (split, "train"))
    rows = np.sort(np.random.default_rng(0).permutation(len(features))[:most])
    labels = {
        t.name: encode(resolve(t, train.column(t.label)), table.column(t.label), len(features))
        for t in tasks
    }
    return Represented(np.asarray(features, np.float64), labels).rows(rows)


def read_affinity(measured: Affinities) -> TaskAffinities:
    content = json.loads((measured.path / "affinities.json").read_text())
    effects, cosines = (np.array(content[k], np.float64) for k in ("effects", "cosines"))
    return advices.affinity_of(content["tasks"], effects, cosines)


def _specs(advice: Advice, planned_design: Design, source: SpecSource) -> dict[str, str]:
    """`advised.yaml`, whose study compares the advice with its alternatives, and a spec for each
    advised model.
    """
    best = next(a for a in planned_design.arms if a.name == advice.trunks[0].arm)
    tasks, groups = tuple(planned_design.spec.tasks), advice.groups()
    arms: dict[str, object] = {"single": {"models": "each"}}
    if groups and len(groups) < len(tasks):
        arms["advised"] = {"models": [list(g) for g in groups]}
    if len(tasks) > 1 and len(groups) != 1:
        arms["multitask"] = {"models": "together"}
    study = {"arms": arms, "reference": None}
    (whole,) = runnable_specs(source, best.overrides, [tasks], study).values()
    models = groups if len(groups) > 1 else []
    return {"advised.yaml": whole, **runnable_specs(source, best.overrides, models)}
