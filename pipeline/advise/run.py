"""`rootstock advise`: candidate trunks by one forward pass, task groups by one joint run."""

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
from components.experiments.task_affinity import Affinity as AffinityStage
from components.labels.encoding import encode, resolve
from components.stage import BeamOptions
from components.training.recipe import TrainerInputs
from components.transform.batches import load_columns, stored_representation
from components.transform.embed import Embed, EmbedInputs
from models.tasks.base import Task
from pipeline.advise.advice import (
    ROWS,
    Advice,
    Affinity,
    Represented,
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
    """Score the trunks of a spec's arms, measure its tasks' affinities, and write what to try.

    models: at most so many may be served.

    Returns:
        The directory of the report.

    Raises:
        RootstockError: the spec or its data is not as it must be.
    """
    if models is not None and models < 1:
        raise RootstockError(f"--models: expected at least one, received {models}.")
    variables = variables or {}
    asked = design(path, overrides, variables)
    store = Store(Path(asked.spec.store)).open()
    with (
        contextlib.closing(display_for(sys.stderr)) as display,
        Runner(store, display=Quiet(), beam=beam) as runner,
    ):
        display.line(f"{asked.spec.name}: preparing the data")
        ready = prepared(asked, runner)
        trunks = []
        for arm in _candidates(asked):
            display.line(f"What the trunk of {arm.name} makes of every row")
            trunks.append(_scored(arm, ready.inputs[arm.name, 0], runner))
        affinity = None
        if len(asked.spec.tasks) > 1:
            display.line("What tasks do for one another in one joint run")
            affinity = _affinity(asked, ready.inputs[_own(asked).name, 0], runner)
    found = advise(trunks, affinity, models)
    directory = store.root / "advice" / asked.spec.name
    directory.mkdir(parents=True, exist_ok=True)
    files = _specs(found, asked, path, overrides, variables)
    files |= {"advice.md": markdown(found, asked.spec.name), "advice.json": _data(found)}
    files["advice.html"] = html(found, asked.spec.name)
    for name, text in files.items():
        write_whole(directory / name, text)
    print(files["advice.md"])
    print(f"Try it:  rootstock study {directory / 'advised.yaml'}")
    print(f"Run it:  rootstock run {directory / 'advised.yaml'}")
    return directory


def _candidates(asked: Design) -> list[PlannedArm]:
    """An arm for each trunk that the arms start from."""
    found: dict[str, PlannedArm] = {}
    for arm in asked.compared:
        found.setdefault(repr((arm.spec.model.trunk, arm.spec.inputs)), arm)
    return list(found.values())


def _own(asked: Design) -> PlannedArm:
    """The arm whose trunk is the spec's own, or else the first."""
    own = [a for a in asked.compared if a.spec.model.trunk == asked.spec.model.trunk]
    return (own or list(asked.compared))[0]


def _scored(arm: PlannedArm, inputs: TrainerInputs, run: Runner) -> TrunkScores:
    trunk = arm.spec.model.trunk
    embeddings = inputs.embeddings
    if embeddings is None:
        given = EmbedInputs(inputs.preprocessing, inputs.batches, inputs.pretrained)
        embeddings = run(Embed(trunk=trunk), given).embeddings
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
    """A random part of a split."""
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


def _halved(given: Represented) -> tuple[Represented, Represented]:
    even = np.arange(len(given.features)) % 2 == 0
    first, second = (
        Represented(given.features[part], {name: y[part] for name, y in given.labels.items()})
        for part in (even, ~even)
    )
    return first, second


def _affinity(asked: Design, inputs: TrainerInputs, run: Runner) -> Affinity:
    measured = run(AffinityStage(recipe=recipe(_own(asked).spec)), inputs).affinities
    return read_affinity(measured)


def read_affinity(measured: Affinities) -> Affinity:
    """The affinities of an artifact."""
    told = json.loads((measured.path / "affinities.json").read_text())
    effects, cosines = (np.array(told[k], np.float64) for k in ("effects", "cosines"))
    return affinity_of(told["tasks"], effects, cosines)


def _specs(
    found: Advice,
    asked: Design,
    path: Path,
    overrides: Sequence[str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """`advised.yaml`, whose study holds the advice against what it advises against; and a spec for
    each advised model.
    """
    best = next(a for a in asked.arms if a.name == found.trunks[0].name)
    own = [*overrides, *best.overrides]
    arms: dict[str, object] = {"single": {"models": "each"}}
    if (groups := found.groups()) and len(groups) < len(asked.spec.tasks):
        arms["advised"] = {"models": [list(g) for g in groups]}
    if len(asked.spec.tasks) > 1 and len(groups) != 1:
        arms["multitask"] = {"models": "together"}
    tasks = tuple(asked.spec.tasks)
    study = {"arms": arms, "reference": None}
    (whole,) = runnable_specs(path, own, variables, [tasks], study).values()
    return {"advised.yaml": whole} | (
        runnable_specs(path, own, variables, groups) if len(groups) > 1 else {}
    )


def _data(found: Advice) -> str:
    affinity = found.affinity
    told = {
        "trunks": [
            {
                "arm": t.name,
                "fresh": t.fresh,
                "rank": t.rank,
                "firsts": t.firsts,
                "scores": t.scores,
            }
            for t in found.trunks
        ],
        "affinity": affinity
        and {
            "tasks": affinity.tasks,
            "mean": affinity.mean.tolist(),
            "error": affinity.error.tolist(),
            "cosine": affinity.cosine.tolist(),
        },
        "groups": found.groups(),
        "by_models": {
            k: {"groups": g.groups, "score": g.score} for k, g in found.by_models.items()
        },
    }
    return json.dumps(told, indent=1)
