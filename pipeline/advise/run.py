"""`rootstock advise`: scores trunks with one forward pass, and task groups with one joint run."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.artifacts import Affinities, Batches, Examples
from components.data.arrow import np
from components.data.atomic import write_whole
from components.errors import RootstockError
from components.experiments.task_affinity import TaskAffinity
from components.labels.encoding import encode, resolve
from components.stage import BeamOptions
from components.training.recipe import TrainerInputs
from components.transform.batches import load_columns, stored_representation
from components.transform.embed import Embed, EmbedInputs
from models.tasks.base import Task
from pipeline.advise.advice import (
    ROWS,
    Advice,
    Represented,
    TaskAffinities,
    TrunkScores,
    advise,
    affinity_of,
    score_trunk,
)
from pipeline.advise.report import html, markdown
from pipeline.display import Quiet, display_for
from pipeline.flow import recipe
from pipeline.runner import Runner
from pipeline.spec.runnable import runnable_specs
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
    variables = variables or {}
    planned_design = design(path, overrides, variables)
    store = Store(Path(planned_design.spec.store)).open()
    with (
        contextlib.closing(display_for(sys.stderr)) as display,
        Runner(store, display=Quiet(), beam=beam) as runner,
    ):
        display.line(f"{planned_design.spec.name}: preparing the data")
        ready = prepared(planned_design, runner)
        trunks = []
        for arm in _candidates(planned_design):
            display.line(f"{arm.name}: computing the trunk's representation of every row")
            trunks.append(_scored(arm, ready.inputs[arm.name, 0], runner))
        affinity = None
        if len(planned_design.spec.tasks) > 1:
            display.line("Measuring task affinities in one joint training run")
            affinity = _affinity(planned_design, ready.inputs[_own(planned_design).name, 0], runner)
    advice = advise(trunks, affinity, models)
    directory = store.root / "advice" / planned_design.spec.name
    directory.mkdir(parents=True, exist_ok=True)
    files = _specs(advice, planned_design, path, overrides, variables)
    files |= {"advice.md": markdown(advice, planned_design.spec.name), "advice.json": _data(advice)}
    files["advice.html"] = html(advice, planned_design.spec.name)
    for name, text in files.items():
        write_whole(directory / name, text)
    print(files["advice.md"])
    print(f"To check the advice: rootstock study {directory / 'advised.yaml'}")
    print(f"To follow it: rootstock run {directory / 'advised.yaml'}")
    return directory


def _candidates(planned_design: Design) -> list[PlannedArm]:
    """One arm for each different trunk."""
    by_trunk: dict[str, PlannedArm] = {}
    for arm in planned_design.compared:
        by_trunk.setdefault(repr((arm.spec.model.trunk, arm.spec.inputs)), arm)
    return list(by_trunk.values())


def _own(planned_design: Design) -> PlannedArm:
    """The arm with the spec's own trunk, or else the first arm."""
    own = [
        a for a in planned_design.compared if a.spec.model.trunk == planned_design.spec.model.trunk
    ]
    return (own or list(planned_design.compared))[0]


def _scored(arm: PlannedArm, inputs: TrainerInputs, run: Runner) -> TrunkScores:
    trunk = arm.spec.model.trunk
    embeddings = inputs.embeddings
    if embeddings is None:
        embed_inputs = EmbedInputs(inputs.preprocessing, inputs.batches, inputs.pretrained)
        embeddings = run(Embed(trunk=trunk), embed_inputs).embeddings
    tasks = tuple(arm.spec.tasks.values())
    train = _represented(inputs.examples, embeddings, tasks, "train", ROWS)
    if inputs.examples.num_rows("val"):
        other = _represented(inputs.examples, embeddings, tasks, "val", ROWS // 2)
    else:
        train, other = _halved(train)
    return score_trunk(arm.name, not trunk.pretrained, tasks, train, other)


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
    return Represented(
        np.asarray(features[rows], np.float64), {name: y[rows] for name, y in labels.items()}
    )


def _halved(whole: Represented) -> tuple[Represented, Represented]:
    even = np.arange(len(whole.features)) % 2 == 0
    first, second = (
        Represented(whole.features[part], {name: y[part] for name, y in whole.labels.items()})
        for part in (even, ~even)
    )
    return first, second


def _affinity(planned_design: Design, inputs: TrainerInputs, run: Runner) -> TaskAffinities:
    measured = run(TaskAffinity(recipe=recipe(_own(planned_design).spec)), inputs).affinities
    return read_affinity(measured)


def read_affinity(measured: Affinities) -> TaskAffinities:
    """Read the affinities in an artifact."""
    content = json.loads((measured.path / "affinities.json").read_text())
    effects, cosines = (np.array(content[k], np.float64) for k in ("effects", "cosines"))
    return affinity_of(content["tasks"], effects, cosines)


def _specs(
    advice: Advice,
    planned_design: Design,
    path: Path,
    overrides: Sequence[str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """`advised.yaml`, whose study compares the advice with its alternatives, and a spec for each
    advised model.
    """
    best = next(a for a in planned_design.arms if a.name == advice.trunks[0].name)
    own = [*overrides, *best.overrides]
    arms: dict[str, object] = {"single": {"models": "each"}}
    if (groups := advice.groups()) and len(groups) < len(planned_design.spec.tasks):
        arms["advised"] = {"models": [list(g) for g in groups]}
    if len(planned_design.spec.tasks) > 1 and len(groups) != 1:
        arms["multitask"] = {"models": "together"}
    tasks = tuple(planned_design.spec.tasks)
    study = {"arms": arms, "reference": None}
    (whole,) = runnable_specs(path, own, variables, [tasks], study).values()
    return {"advised.yaml": whole} | (
        runnable_specs(path, own, variables, groups) if len(groups) > 1 else {}
    )


def _data(advice: Advice) -> str:
    affinity = advice.affinity
    content = {
        "trunks": [
            {
                "arm": t.name,
                "fresh": t.fresh,
                "rank": t.rank,
                "firsts": t.firsts,
                "scores": t.scores,
            }
            for t in advice.trunks
        ],
        "affinity": affinity
        and {
            "tasks": affinity.tasks,
            "mean": affinity.mean.tolist(),
            "error": affinity.error.tolist(),
            "cosine": affinity.cosine.tolist(),
        },
        "groups": advice.groups(),
        "by_models": {
            k: {"groups": g.groups, "score": g.score} for k, g in advice.by_models.items()
        },
    }
    return json.dumps(content, indent=1)
