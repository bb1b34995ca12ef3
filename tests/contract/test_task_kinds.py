"""The contract of task kinds, which are found by discovery, so that a new kind is tested too.

A column of small whole numbers, some of them missing, has valid labels of every kind: numbered
classes, single labels, amounts. A kind that cannot read it needs its own test.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from components.data.casting import texts
from components.evaluation.constant import best_constant
from components.evaluation.groups import Groups
from components.evaluation.metrics import Predictions, family_of, measure
from components.evaluation.ranking_intervals import placements
from components.evaluation.ratios import Drawn
from components.labels.base import JOINED, NUMBER, LabelColumn, LabelSample, labels_of, of_kind
from components.labels.encoding import counted, encode, labelled, resolve
from components.labels.label_counts import LabelCounts
from components.labels.task_statistics_gen import TaskStatisticsGen
from components.training.subset import Subset, chosen_rows
from components.validation.example_validator import ExampleValidator
from models.balancing.loss_based.equal import Equal
from models.balancing.loss_based.uncertainty import Uncertainty
from models.discovery import methods
from models.inputs.numeric import NumericFeature, NumericInput
from models.lazy import keras, tf
from models.multitask.batch_losses import OWN_SHARE, batch_losses
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import Task, TaskTarget
from models.tasks.heads.head import head_for
from models.tasks.heads.losses import filled, present
from models.trunks.scratch import Scratch
from pipeline.store.sources import known, sources
from pipeline.tracking.logged_model import signature_of
from tests.serving_operations import not_served_of

ROOT = Path(__file__).resolve().parents[2]
KINDS = methods("models.tasks", Task, "kind")
PACKAGES = (
    "models.tasks",
    "models.tasks.heads",
    "components.labels",
    "components.evaluation.metrics",
)
ROWS = 240
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS)
AMOUNTS = np.digitize(X, [-0.8, 0.0, 0.8]).tolist()
"""Labels from 0 to 3, computed from X."""
VALUES = [None if i % 5 == 0 else v for i, v in enumerate(AMOUNTS)]
COLUMN = pa.chunked_array([pa.array(VALUES[:100]), pa.array(VALUES[100:])])
FEATURES = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
KNOWN = np.array([v is not None for v in VALUES])
STATISTICS = LabelColumn(
    type="int64",
    shape="numbers",
    present=int(KNOWN.sum()),
    counts=tuple((str(v), VALUES.count(v)) for v in range(4)),
    mean=1.5,
    deviation=1.0,
    minimum=0.0,
)


def task_of(kind: str) -> Task:
    return TypeAdapter(Task).validate_python({"kind": kind, "name": "t", "label": "y"})


def target_of(kind: str) -> TaskTarget:
    return resolve(task_of(kind), COLUMN)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_known_kinds_are_discovered() -> None:
    assert {"binary", "multiclass", "multilabel", "regression"} <= KINDS.keys()


@pytest.mark.slow
def test_nothing_imports_a_kind_but_its_own_modules(kind: str) -> None:
    """Other code gets the part of a kind by its name. Without imports there is no switch over
    kinds.
    """
    own = {f"{package}.{kind}" for package in PACKAGES}
    for folder in ("models", "components", "pipeline", "serving"):
        for file in (ROOT / folder).rglob("*.py"):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            imported = {
                node.module
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.ImportFrom)
            }
            assert module in own or not imported & own, module


def test_data_stages_depend_on_their_kinds_and_on_no_head(kind: str) -> None:
    """An edit of a head or of another kind must not validate and count the labels again."""
    task, inputs = task_of(kind), (NumericInput(name="x", column="x"),)
    for stage in (ExampleValidator(inputs=inputs, tasks=(task,)), TaskStatisticsGen(tasks=(task,))):
        modules = sources(frozenset({type(stage).__module__}), known([stage]))
        assert {f"models.tasks.{kind}", f"components.labels.{kind}"} <= modules.keys()
        others = {f"{package}.{other}" for package in PACKAGES for other in KINDS if other != kind}
        assert not modules.keys() & others
        assert not [m for m in modules if m.startswith("models.tasks.heads")]


def test_a_spec_is_read_and_written(kind: str) -> None:
    task, adapter, targets = task_of(kind), TypeAdapter(Task), TypeAdapter(TaskTarget)
    assert type(task) is KINDS[kind]
    assert adapter.validate_json(adapter.dump_json(task)) == task
    target = target_of(kind)
    assert targets.validate_json(targets.dump_json(target)) == target
    assert task.answer in ("number", "list")
    assert (task.serving_method == "classify") == bool(target.classes)


def test_missing_labels_are_those_of_the_column(kind: str) -> None:
    target = target_of(kind)
    encoded = encode(target, COLUMN, ROWS)
    assert len(encoded) == ROWS
    assert encoded.dtype in (np.float32, np.int32)
    np.testing.assert_array_equal(labelled(encoded), KNOWN)
    absent = encode(target, None, ROWS)
    assert absent.shape == encoded.shape
    assert absent.dtype == encoded.dtype
    assert not labelled(absent).any()
    nothing = encode(target, pa.chunked_array([pa.nulls(ROWS)]), ROWS)
    np.testing.assert_array_equal(nothing, absent)
    assert not len(encode(target, COLUMN[:0], 0))


def test_targets_count_their_labels(kind: str) -> None:
    target = target_of(kind)
    encoded = encode(target, COLUMN, ROWS)
    assert target.labelled == KNOWN.sum()
    assert len(target.class_counts) == len(target.classes)
    assert counted(target, encoded) == target
    half = counted(target, encoded[: ROWS // 2])
    assert half.labelled == KNOWN[: ROWS // 2].sum()
    assert counted(target, encoded[:0]).labelled == 0


def test_class_codes_and_probes(kind: str) -> None:
    labels, target = of_kind(kind), target_of(kind)
    encoded = encode(target, COLUMN, ROWS)
    codes = labels.class_codes(encoded)
    if codes is not None:
        assert codes.dtype == np.int64
        np.testing.assert_array_equal(codes >= 0, KNOWN)
        counts = np.bincount(codes[KNOWN], minlength=len(target.classes))
        assert tuple(counts) == target.class_counts
    probes = labels.probes(encoded)
    assert probes
    for column in probes:
        assert column.dtype in (np.int64, np.float64)
        np.testing.assert_array_equal(labelled(column), KNOWN)


def test_rows_can_be_drawn(kind: str) -> None:
    target = target_of(kind)
    rows = chosen_rows(Subset(rows=50), {"t": encode(target, COLUMN, ROWS)}, (target,))
    assert len(np.unique(rows)) == 50


def test_columns_are_checked(kind: str) -> None:
    labels, task = of_kind(kind), task_of(kind)
    assert labels.unfit(task, STATISTICS) == ""
    assert list(labels.problems(task, {"train": STATISTICS})) == []
    image = LabelColumn(type="binary", shape="other", present=3)
    refused = labels.unfit(task, image)
    assert "'y' holds binary values. Expected" in refused
    assert kind in refused


def test_labels_are_counted_together(kind: str) -> None:
    labels, task, target = of_kind(kind), task_of(kind), target_of(kind)
    combinations = labels.combinations(task, COLUMN.combine_chunks())
    np.testing.assert_array_equal(np.asarray(combinations.is_valid()), KNOWN)
    counts = LabelCounts([task])
    counts.add(pa.table({"y": COLUMN}))
    counts.add(pa.table({"z": COLUMN}))
    (balance,) = counts.result("train").tasks
    assert (balance.labelled, balance.missing) == (KNOWN.sum(), 2 * ROWS - KNOWN.sum())
    assert dict(balance.classes) == dict(zip(target.classes, target.class_counts, strict=True))
    if not target.classes:
        assert set(combinations.drop_null().to_pylist()) == {NUMBER}
    assert JOINED not in "".join(target.classes)


def trained_outputs(kind: str) -> tuple[TaskTarget, np.ndarray, np.ndarray, list[float]]:
    """Raw outputs of all rows after gradient descent on them, and the losses of the steps."""
    target = target_of(kind)
    encoded, head = encode(target, COLUMN, ROWS), head_for(target)
    outputs = tf.Variable(RNG.normal(0, 0.1, (ROWS, head.units)).astype(np.float32))
    optimizer = keras.optimizers.Adam(0.1)
    losses = []
    for _ in range(60):
        with tf.GradientTape() as tape:
            batch = batch_losses((head,), {"t": tf.constant(encoded)}, {"t": outputs})
        losses.append(float(batch.losses[0]))
        optimizer.apply([tape.gradient(batch.losses, outputs)], [outputs])
    return target, encoded, outputs.numpy(), losses


@pytest.mark.slow
def test_a_head_learns_its_labels_and_measures_them(kind: str) -> None:
    """Its predictions have one shape, are finite and improve; its metrics are those of the
    Evaluator.
    """
    target, encoded, outputs, losses = trained_outputs(kind)
    assert np.isfinite(losses).all()
    assert min(losses) >= 0
    assert losses[-1] < losses[0] / 2
    head, family = head_for(target), family_of(kind)
    answers = head.answer(tf.constant(outputs))
    assert answers.shape == (ROWS, head.units)
    assert answers.dtype == tf.float32
    assert head.units == (1 if target.task.answer == "number" else len(target.classes))
    there = present(tf.constant(encoded))
    np.testing.assert_array_equal(there, KNOWN.astype(np.float32))
    known = filled(tf.constant(encoded), there)
    assert np.isfinite(known).all()
    totals = head.totals(known, tf.constant(outputs), there)
    assert totals.shape == (head.num_totals,)
    metrics = head.metrics(np.asarray(totals))
    assert metrics.keys() == head.directions.keys()
    measured = measure(target, encoded, np.asarray(answers))
    for name in metrics.keys() & set(family.names):
        assert metrics[name] == pytest.approx(measured.values[name], abs=1e-3)
        assert (head.directions[name] == "min") == (name in family.lower_is_better)
    before = measure(target, encoded, np.asarray(head.answer(tf.zeros_like(outputs))))
    main = family.names[0]
    sign = -1 if main in family.lower_is_better else 1
    assert sign * measured.values[main] > sign * before.values[main]


def test_missing_labels_add_nothing(kind: str) -> None:
    target = target_of(kind)
    head, encoded = head_for(target), encode(target, COLUMN, ROWS)
    outputs = RNG.normal(size=(ROWS, head.units)).astype(np.float32)
    every = batch_losses((head,), {"t": tf.constant(encoded)}, {"t": tf.constant(outputs)})
    known = batch_losses(
        (head,), {"t": tf.constant(encoded[KNOWN])}, {"t": tf.constant(outputs[KNOWN])}
    )
    assert float(every.losses[0]) == pytest.approx(float(known.losses[0]), rel=1e-5)
    assert int(every.rows[0]) == KNOWN.sum()
    for one, other in zip(every.totals, known.totals, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_loss_of_mixed_images_is_that_of_both_labels(kind: str) -> None:
    """Rows 0, 5 and 10 have no label."""
    target, rows = target_of(kind), 12
    head, encoded = head_for(target), encode(target, COLUMN, ROWS)[:rows]
    outputs = RNG.normal(size=(rows, head.units)).astype(np.float32)
    shares = RNG.uniform(0.5, 1, rows).astype(np.float32)

    def loss(row: int, label: int) -> float:
        batch = batch_losses(
            (head,), {"t": tf.constant(encoded[[label]])}, {"t": tf.constant(outputs[[row]])}
        )
        return float(batch.losses[0])

    pairs = [(i, i, shares[i]) for i in range(rows)]
    pairs += [(i, (i + 1) % rows, 1 - shares[i]) for i in range(rows)]
    labelled = [(i, j, share) for i, j, share in pairs if KNOWN[j]]
    total = sum(share * loss(i, j) for i, j, share in labelled)
    labels = {"t": tf.constant(encoded), OWN_SHARE: tf.constant(shares)}
    mixed = batch_losses((head,), labels, {"t": tf.constant(outputs)})
    expected = total / sum(share for *_, share in labelled)
    assert float(mixed.losses[0]) == pytest.approx(expected, rel=1e-5)
    assert int(mixed.rows[0]) == rows


def test_metrics_describe_themselves(kind: str) -> None:
    family, target = family_of(kind), target_of(kind)
    names = set(family.names)
    assert len(names) == len(family.names)
    for some in (family.lower_is_better, family.relative_margin, family.without_interval):
        assert some <= names
    assert family.reasons.keys() <= names
    head, encoded = head_for(target), encode(target, COLUMN, ROWS)[KNOWN]
    outputs = RNG.normal(size=(len(encoded), head.units))
    answers = np.asarray(head.answer(outputs), np.float64)
    weights = RNG.integers(0, 4, (3, len(encoded))).astype(np.float64)
    values = family.values(Predictions(encoded, answers), weights)
    assert values.keys() == names
    for row, counts in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(len(encoded)), counts)
        plain = family.values(Predictions(encoded[again], answers[again]), np.ones((1, len(again))))
        for name in names - family.without_interval:
            assert values[name][row] == pytest.approx(plain[name][0], nan_ok=True), name
    rows = Predictions(encoded, answers)
    ratios, rankings = family.ratios(rows), family.rankings(rows)
    assert ratios.keys() | rankings.keys() <= names
    assert not ratios.keys() & (rankings.keys() | family.without_interval)
    ones = family.values(rows, weights)
    for row, counts in enumerate(weights):
        for name, ratio in ratios.items():
            assert ones[name][row] == pytest.approx(ratio.value(counts)), name
        for name, of in rankings.items():
            placed = placements(of, Drawn(Groups.of_rows(len(counts)), counts, True))
            assert placed is not None
            assert ones[name][row] == pytest.approx(placed.area), name
    decisive = family.decisive(rows, target.classes)
    assert decisive
    assert all(mask.any() and len(mask) == len(encoded) for mask in decisive.values())
    nothing = measure(target, encode(target, None, ROWS), np.zeros((ROWS, head.units)))
    assert set(nothing.values.values()) == {None}


@pytest.mark.slow
@pytest.mark.parametrize("use", ["linear", "boosting"])
def test_a_classical_model_answers_as_the_head_does(kind: str, use: str) -> None:
    labels, target = of_kind(kind), target_of(kind)
    frame, encoded = pd.DataFrame({"x": X}), encode(target, COLUMN, ROWS)
    predict = labels.fit(
        lambda: labels.estimator(use, 0),  # type: ignore[arg-type]
        frame,
        encoded,
        len(target.classes),
    )
    answers = predict(frame)
    assert answers.shape == (ROWS, head_for(target).units)
    family = family_of(kind)
    main, found = family.names[0], measure(target, encoded, answers)
    assert found.values[main] is not None
    constant = best_constant(target, encoded, main)(frame)
    assert constant.shape == answers.shape
    worse = measure(target, encoded, constant).values[main]
    sign = -1 if main in family.lower_is_better else 1
    assert sign * found.values[main] > sign * worse


SAMPLES = {
    "lists": LabelSample(shape="lists", rows=100, counts={}),
    "bytes": LabelSample(shape="other", rows=100, counts={}),
    "two texts": LabelSample(shape="text", rows=100, counts={"a": 60, "b": 40}),
    "two numbers": LabelSample(shape="numbers", rows=100, counts={"0": 60, "1": 40}),
    "few texts": LabelSample(shape="text", rows=100, counts=dict.fromkeys("abcdef", 10)),
    "few numbers": LabelSample(shape="numbers", rows=100, counts=dict.fromkeys("012345", 10)),
    "amounts": LabelSample(shape="numbers", rows=100, counts={str(i): 2 for i in range(50)}),
    "fractions": LabelSample(
        shape="numbers", rows=100, counts={f"{i}.5": 2 for i in range(50)}, fractions=True
    ),
    "one value": LabelSample(shape="numbers", rows=100, counts={"1": 100}),
    "names": LabelSample(shape="text", rows=200, counts={f"n{i}": 1 for i in range(200)}),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_at_most_one_kind_claims_a_column(sample: LabelSample) -> None:
    guesses = {k: g for k in KINDS if (g := of_kind(k).guess(sample)) is not None}
    assert len(guesses) <= 1
    for kind, fields in guesses.items():
        TypeAdapter(Task).validate_python({"kind": kind, "label": "y", **fields})


def test_the_mlflow_signature_has_the_type_of_the_answer(kind: str) -> None:
    from mlflow.types import DataType
    from mlflow.types.schema import Array

    target = target_of(kind)
    first, *others = signature_of(FEATURES, [target]).outputs
    one = DataType.string if target.classes else DataType.float
    assert first.type == (Array(one) if target.task.several else one)
    probability = target.classes and not target.task.several
    assert [c.name for c in others] == [f"{target.name}_probability"] * bool(probability)


def test_the_region_of_a_row_is_every_label_that_conforms(kind: str) -> None:
    """The coverage of intervals and sets is that of the scores of the labels."""
    target = target_of(kind)
    if (
        "coverage"
        not in TypeAdapter(Task).json_schema()["$defs"][type(target.task).__name__]["properties"]
    ):
        return
    head, labels = head_for(target), encode(target, COLUMN, ROWS)[KNOWN]
    outputs = RNG.normal(size=(len(labels), head.units)).astype(np.float32)
    scores = np.asarray(head.nonconformity(tf.constant(labels), tf.constant(outputs)))
    radius = float(np.median(scores)) + 1e-4
    region = {n: np.asarray(v) for n, v in head.region(tf.constant(outputs), radius).items()}
    if "set" in region:
        inside = region["set"][np.arange(len(labels)), labels.astype(int)]
    else:
        inside = (region["lower"][:, 0] <= labels) & (labels <= region["upper"][:, 0])
    np.testing.assert_array_equal(inside, scores <= radius)
    assert 0.3 < inside.mean() < 0.9


@pytest.mark.slow
def test_one_model_trains_all_kinds_together() -> None:
    keras.utils.set_random_seed(0)
    targets = tuple(
        resolve(TypeAdapter(Task).validate_python({"kind": k, "name": k, "label": "y"}), COLUMN)
        for k in KINDS
    )
    encoded = {t.name: encode(t, COLUMN, ROWS) for t in targets}
    data = tf.data.Dataset.from_tensor_slices(({"x": X.astype(np.float32)}, encoded)).batch(60)
    for balancing in (Equal(), Uncertainty()):
        model = MultitaskModel(FEATURES, targets, Scratch(width=16, dropout=0), Hard(), balancing)
        model.compile(keras.optimizers.Adam(0.02))
        history = model.fit(data, epochs=15, verbose=0, shuffle=False).history
        for target in targets:
            losses = history[f"{target.name}_loss"]
            assert np.isfinite(losses).all()
            assert losses[-1] < losses[0]
        answers = model.answers({"x": X[:5].astype(np.float32)})
        assert all(np.isfinite(a).all() for a in answers.values())
    answers = tf.function(model.answers, autograph=False)
    graph = answers.get_concrete_function({"x": tf.TensorSpec([None])}).graph
    assert not_served_of(graph.as_graph_def()) == set()


def test_labels_are_compared_as_text(kind: str) -> None:
    """Labels as text have the same meaning, if the kind reads text."""
    column = pa.chunked_array([texts(COLUMN)])
    statistics = LabelColumn(type="string", shape="text", present=9, counts=STATISTICS.counts)
    if not labels_of(task_of(kind)).unfit(task_of(kind), statistics):
        np.testing.assert_array_equal(
            encode(resolve(task_of(kind), column), column, ROWS),
            encode(target_of(kind), COLUMN, ROWS),
        )
