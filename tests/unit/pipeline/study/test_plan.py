"""Designs and plans, from a spec alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from components.artifacts import Batches, Examples, Preprocessing, TrialResult
from components.errors import RootstockError
from components.experiments.trial import Trial, TrialOutputs
from components.training.recipe import TrainerInputs
from models.trunks.scratch import Scratch
from pipeline.spec.load import SpecSource, load_spec
from pipeline.spec.runnable import runnable_specs
from pipeline.store.store import Store
from pipeline.study.design import Design, design
from pipeline.study.jobs import Prepared
from pipeline.study.plan import StudyPlan, Timing, estimate, plan
from tests.planted import write_spec

TASKS = ("up", "side", "third")
PACE = Timing(step=0.01, validation=0.0, overhead=3.0)


def designed(directory: Path, more: str = "", *overrides: str) -> Design:
    return design(SpecSource(write_spec(directory, TASKS, more), tuple(overrides)))


def ready(asked: Design, directory: Path) -> Prepared:
    inputs = TrainerInputs(
        Examples(directory, "e"), Preprocessing(directory, "p"), Batches(directory, "b")
    )
    return Prepared(asked, {(arm.name, 0): inputs for arm in asked.compared}, 450)


def planned(directory: Path, minutes: float | None, more: str = "") -> StudyPlan:
    prepared = ready(designed(directory, more), directory)
    paces = {arm.name: PACE for arm in prepared.design.arms}
    return plan(prepared, paces, Store(directory / "store"), 1, minutes)


def test_a_spec_without_a_study_compares_single_models_with_its_own(tmp_path: Path) -> None:
    asked = designed(tmp_path)
    assert [a.name for a in asked.compared] == ["single", "multitask"]
    controls = [a.name for a in asked.arms if a.control_of]
    assert controls == ["multitask_shuffled", "multitask_split_up"]
    assert asked.seeds == 9
    assert [c.name for c in asked.claims] == [
        "sharing",
        "control",
        "control",
        "majority",
        "majority",
        "classical",
        "classical",
    ]


def test_single_models_split_the_parameters_of_the_shared_one(tmp_path: Path) -> None:
    trunk = "model.trunk={name: scratch, width: 90, columns: {layers: [300]}}"
    (control,) = [a for a in designed(tmp_path, "", trunk).arms if a.name == "multitask_split_up"]
    narrow = control.spec.model.trunk
    assert isinstance(narrow, Scratch)
    assert [m.tasks for m in control.models] == [(t,) for t in TASKS]
    whole, parts = 300 * 90, 3 * narrow.columns.layers[0] * narrow.width
    assert parts == pytest.approx(whole, rel=0.02)


def test_a_balancing_method_is_compared_with_tuned_weights(tmp_path: Path) -> None:
    asked = designed(tmp_path, "", "model.balancing=uncertainty")
    (weighted,) = [a for a in asked.arms if a.candidates]
    assert weighted.name == "multitask_weighted"
    assert len(weighted.candidates) == 1 + len(TASKS)


def test_a_note_says_that_arms_have_different_numbers_of_candidates(tmp_path: Path) -> None:
    arm = "tuned: {tune: {training.learning_rate: [0.001, 0.003]}}"
    uneven = designed(tmp_path, f"study: {{arms: {{plain: {{}}, {arm}}}}}").notes
    assert "plain of 1, tuned of 2" in uneven[0]
    other = arm.replace("tuned:", "plain:")
    assert designed(tmp_path, f"study: {{arms: {{{arm}, {other}}}}}").notes == uneven[1:]


def test_a_pretrained_trunk_is_compared_with_training_from_scratch(tmp_path: Path) -> None:
    (tmp_path / "pretrained.weights.h5").touch()
    trunk = "{name: applications, model: MobileNetV2, weights: pretrained.weights.h5}"
    inputs = "{photo: {kind: image, height: 32, width: 32}}"
    asked = designed(tmp_path, "", f"model.trunk={trunk}", f"inputs={inputs}")
    assert [a.name for a in asked.compared] == [
        "single_scratch",
        "multitask_scratch",
        "single",
        "multitask",
    ]
    claims = {(c.name, c.arm, c.against) for c in asked.claims}
    assert ("sharing", "multitask", "single") in claims
    assert ("transfer", "single", "single_scratch") in claims
    assert ("both", "multitask", "single_scratch") in claims
    assert ("control", "single", "single_random_trunk") in claims


def test_an_arm_whose_weights_are_not_there_is_named(tmp_path: Path) -> None:
    arm = "study.arms.hub={set: {model.trunk: {name: tf_hub, handle: ./module}}}"
    with pytest.raises(RootstockError, match=r"study\.arms\.hub: model\.trunk: .*No such file"):
        designed(tmp_path, "", arm)


def test_an_arm_with_an_unknown_key_is_named(tmp_path: Path) -> None:
    arm = "study.arms.long={set: {training.epoch: 3}}"
    with pytest.raises(RootstockError, match=r"study\.arms\.long: .*training\.epoch: unknown key"):
        designed(tmp_path, "", arm)


def test_every_fraction_gets_as_many_steps(tmp_path: Path) -> None:
    jobs = planned(tmp_path, None).jobs
    trials = [j for j in jobs if isinstance(j.stage, Trial) and j.cell.arm == "multitask"]
    steps = set()
    for job in trials:
        assert isinstance(job.stage, Trial)
        training = job.stage.recipe.training
        rows = 450 if training.subset is None else training.subset.rows
        assert rows is not None
        batches = training.steps_per_epoch or -(-rows // training.batch_size)
        steps.add(training.epochs * batches)
    assert len(steps) == 1


@pytest.mark.slow
def test_trials_beyond_the_time_limit_are_left_out_in_order_and_named(tmp_path: Path) -> None:
    whole = planned(tmp_path, None)
    assert not whole.dropped
    middle = planned(tmp_path, whole.seconds / 60 * 0.9)
    assert middle.dropped == ("fraction 0.3",)
    assert middle.fractions == (0.1, 1.0)
    less = planned(tmp_path, whole.seconds / 60 * 0.5)
    assert less.dropped[:2] == ("fraction 0.3", "controls multitask_shuffled, multitask_split_up")
    least = planned(tmp_path, 0.01)
    assert (least.fractions, least.seeds) == ((1.0,), 2)
    assert least.dropped[-1].startswith("nothing more")
    assert whole.seconds > middle.seconds > less.seconds > least.seconds


def test_finished_trials_give_the_time_of_similar_ones(tmp_path: Path) -> None:
    prepared = ready(designed(tmp_path), tmp_path)
    paces = {arm.name: PACE for arm in prepared.design.arms}
    store = Store(tmp_path / "store").open()
    before = plan(prepared, paces, store, 1, None)
    alike = [
        j
        for j in before.jobs
        if (j.cell.arm, j.cell.fraction, j.judged) == ("single", 1.0, ("up",))
    ]
    estimated = estimate(alike[0], paces, prepared.rows_of(1.0))
    with store.attempt(alike[0].identity) as attempt:
        result = TrialResult(attempt.output / "result")
        result.path.mkdir()
        store.publish(alike[0].identity, attempt, TrialOutputs(result), {}, estimated + 100)
    after = plan(prepared, paces, store, 1, None)
    gained = 100 * (len(alike) - 1) - estimated
    assert after.seconds == pytest.approx(before.seconds + gained)


def test_a_single_model_has_no_settings_of_other_tasks(tmp_path: Path) -> None:
    more = "thresholds: [{task: side, metric: auc, min: 0.6}]"
    path = write_spec(tmp_path, TASKS, more)
    stopping = "training.early_stopping={monitor: val_side_auc}"
    balancing = "model.balancing={name: fixed, weights: {side: 2, up: 3}}"
    specs = runnable_specs(
        SpecSource(path), [stopping, balancing], [("up",), ("up", "third"), TASKS]
    )
    assert list(specs) == ["planted-up.yaml", "planted-up-third.yaml", "planted.yaml"]
    for name, text in specs.items():
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / name).write_text(text)
        spec, _ = load_spec(tmp_path / "elsewhere" / name)
        assert spec.data.sources[0].path == str(tmp_path / "rows.csv")
        assert spec.store == str(tmp_path / "store")
        whole = "side" in spec.tasks
        assert bool(spec.thresholds) == whole
        assert spec.training.early_stopping is not None
        assert spec.training.early_stopping.monitor == ("val_side_auc" if whole else "val_loss")


def test_specs_elsewhere_find_the_modules_of_layers(tmp_path: Path) -> None:
    path = write_spec(tmp_path, TASKS)
    own = "inputs.own={kind: layer, module: layers.py, layer: A}"
    for text in runnable_specs(SpecSource(path), [own], [("up",), TASKS]).values():
        assert yaml.safe_load(text)["inputs"]["own"]["module"] == str(tmp_path / "layers.py")


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("arms: {a: {models: [[up]]}}", "expected each of up, side, third in exactly one group"),
        (
            "reference: other",
            "study.reference: expected one of single, multitask, received 'other'",
        ),
        ("metrics: {up: auk}", "study.metrics: up.auk: a binary task has no metric 'auk'"),
        ("arms: {a: {set: {tasks: {}}}}", "tasks"),
    ],
)
def test_an_impossible_study_is_refused(tmp_path: Path, study: str, message: str) -> None:
    with pytest.raises(RootstockError, match=re.escape(message)):
        designed(tmp_path, f"study: {{{study}}}")
