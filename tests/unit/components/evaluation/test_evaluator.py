import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from components.artifacts import Champion, Examples, ExportedModel
from components.data.slices import Slice
from components.errors import RootstockError
from components.evaluation.evaluator import Evaluator, EvaluatorInputs
from components.evaluation.thresholds import Threshold, check_thresholds
from components.export.classes_file import write_classes
from components.stage import Context, Silent
from models.model_files import RECORD
from tests.small_model import TARGETS, TASKS, answers, write_examples, write_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ExportedModel:
    return write_model(tmp_path_factory.mktemp("made") / "model")


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Examples:
    return write_examples(
        tmp_path_factory.mktemp("examples"), {"train": 10, "val": 20, "test": 300}
    )


class Heard(Silent):
    def __init__(self):
        self.figures, self.warnings, self.progress_calls = {}, [], []

    def figure(self, name, value):
        self.figures[name] = value

    def warn(self, message):
        self.warnings.append(message)

    def progress(self, done, total, unit, note=""):
        self.progress_calls.append((done, total, unit))


def evaluate(tmp_path, model, examples, **params):
    heard = Heard()
    stage = Evaluator(tasks=TASKS, **params)
    outputs = stage.run(
        EvaluatorInputs(model, examples), Context(tmp_path, tmp_path, observer=heard)
    )
    report = json.loads((outputs.evaluation.path / "evaluation.json").read_text())
    return report, outputs.blessing, heard


def test_metrics_are_those_of_the_served_model_on_labelled_test_rows(tmp_path, model, examples):
    report, blessing, heard = evaluate(tmp_path, model, examples)
    table = examples.read("test")
    raw = {
        "hours-per-week": table["hours"].to_numpy(),
        "job": np.array(table["job"].to_pylist(), object),
    }
    expected = answers(raw, slope=1.0)
    labelled = np.array([v is not None for v in table["rich"].to_pylist()])
    yes = np.array([v == "yes" for v in table["rich"].to_pylist()])[labelled]
    p = expected["income"][labelled, 0]
    income = report["tasks"]["income"]
    assert (report["split"], report["rows"], income["rows"]) == ("test", 300, 240)
    assert income["values"]["auc"] == pytest.approx(sk.roc_auc_score(yes, p), abs=1e-6)
    assert income["values"]["f1"] == pytest.approx(sk.f1_score(yes, p > 0.5), abs=1e-6)
    before = 1 / (1 + np.exp(-2 * np.log(p / (1 - p))))
    was = income["uncalibrated"]["values"]["log_loss"]
    assert was == pytest.approx(sk.log_loss(yes, before), abs=1e-6)
    assert "uncalibrated" not in report["tasks"]["age"]
    age = np.array(table["age"].to_pylist(), float)[labelled]
    wanted = sk.root_mean_squared_error(age, expected["age"][labelled, 0])
    assert report["tasks"]["age"]["values"]["rmse"] == pytest.approx(wanted, rel=1e-5)
    true = np.array(["abc".find(v or "?") for v in table["class"].to_pylist()])[labelled]
    assert report["tasks"]["job_class"]["values"]["accuracy"] == pytest.approx(
        sk.accuracy_score(true, expected["job_class"][labelled].argmax(1))
    )
    assert report["baselines"]["income"]["auc"] == 0.5
    counts = np.bincount(true)
    of_train = [v for v in examples.read("train", ["class"])["class"].to_pylist() if v]
    most = "abc".index(max("abc", key=of_train.count))
    assert report["baselines"]["job_class"]["accuracy"] == pytest.approx(counts[most] / len(true))
    wrong = report["mistakes"]["job_class"]
    assert [m["error"] for m in wrong] == sorted((m["error"] for m in wrong), reverse=True)
    for mistake in wrong:
        assert mistake["label"] == table["class"][mistake["row"]].as_py() != mistake["answer"]
    assert blessing.blessed()
    assert blessing.reasons() == []
    assert heard.figures == {
        **{f"income.{m}": income["values"][m] for m in ("auc", "log_loss", "calibration_error")},
        "income.log_loss uncalibrated": was,
        "income.calibration_error uncalibrated": pytest.approx(
            income["uncalibrated"]["values"]["calibration_error"]
        ),
        "job_class.accuracy": report["tasks"]["job_class"]["values"]["accuracy"],
        "age.mae": report["tasks"]["age"]["values"]["mae"],
    }
    assert heard.progress_calls[-1] == (300, 300, "rows")
    assert heard.warnings == []


def test_a_chosen_threshold_is_measured_beside_half(tmp_path, examples):
    model = write_model(tmp_path / "model")
    record = json.loads((model.path / RECORD).read_text())
    first = next(t for t in record["targets"] if t["task"]["name"] == "income")
    first["decision"] = 0.2
    (model.path / RECORD).write_text(json.dumps(record))
    (tmp_path / "out").mkdir()
    report, _, _ = evaluate(tmp_path / "out", model, examples)
    income = report["tasks"]["income"]
    assert income["at_half"]["auc"] == income["values"]["auc"]
    assert income["at_half"]["recall"] < income["values"]["recall"]
    assert "at_half" not in report["tasks"]["age"]
    page = (tmp_path / "out" / "evaluation" / "evaluation.html").read_text()
    assert page.count("yes above 0.5") == 1


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_the_batch_size_does_not_matter(tmp_path, model, examples, batch_size):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one = evaluate(tmp_path / "a", model, examples)[0]
    other = evaluate(tmp_path / "b", model, examples, batch_size=batch_size)[0]
    assert one["tasks"]["income"]["values"] == pytest.approx(other["tasks"]["income"]["values"])


def test_without_a_test_split_validation_rows_are_used_and_that_is_said(tmp_path, model):
    examples = write_examples(tmp_path / "examples", {"train": 10, "val": 40})
    (tmp_path / "out").mkdir()
    report, _, heard = evaluate(tmp_path / "out", model, examples)
    assert (report["split"], report["rows"]) == ("val", 40)
    assert "no test split" in heard.warnings[0]


def test_without_held_out_rows_the_error_says_what_to_do(tmp_path, model):
    examples = write_examples(tmp_path / "examples", {"train": 10})
    with pytest.raises(RootstockError, match=r"data\.splits"):
        evaluate(tmp_path, model, examples)


def test_rows_without_any_label_leave_metrics_undefined(tmp_path, model):
    examples = write_examples(tmp_path / "examples", {"test": 10}, labels=False)
    threshold = Threshold(task="income", metric="auc", min=0.5)
    report, blessing, heard = evaluate(tmp_path, model, examples, thresholds=(threshold,))
    assert report["tasks"]["income"]["rows"] == 0
    assert not blessing.blessed()
    hint = "could not be measured: no row carries the label. Give the split more rows, or see"
    unmeasured = ("income.auc", "job_class.accuracy", "age.mae")
    assert blessing.reasons() == [
        *(f"test: {name} {hint} data.splits.stratify" for name in unmeasured),
        "test: income.auc is undefined: no row carries the label",
    ]
    assert heard.figures == {}


@pytest.mark.parametrize(
    ("threshold", "reason"),
    [
        (Threshold(task="income", metric="auc", min=0.5), None),
        (Threshold(task="income", metric="auc", min=0.999), "below the threshold 0.999"),
        (Threshold(task="age", metric="mae", max=5.0), None),
        (Threshold(task="age", metric="mae", max=0.01), "above the threshold 0.01"),
        (Threshold(task="age", metric="mae", min=0.0, max=5.0), None),
    ],
)
def test_blessed_only_if_every_threshold_is_met(tmp_path, model, examples, threshold, reason):
    met = Threshold(task="job_class", metric="accuracy", min=0.0)
    _, blessing, _ = evaluate(tmp_path, model, examples, thresholds=(met, threshold))
    assert blessing.blessed() == (reason is None)
    assert [reason in r for r in blessing.reasons()] == ([] if reason is None else [True])


def test_answers_that_are_not_numbers_are_never_blessed(tmp_path, examples):
    broken = write_model(tmp_path / "model", slope=float("nan"))
    (tmp_path / "out").mkdir()
    report, blessing, _ = evaluate(tmp_path / "out", broken, examples)
    assert not blessing.blessed()
    assert "answers of task 'age' are not all finite" in "\n".join(blessing.reasons())
    assert set(report["tasks"]["age"]["values"].values()) == {None}


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (Threshold(task="incme", metric="auc", min=0), "income"),
        (Threshold(task="income", metric="acc", min=0), "auc, auprc, log_loss"),
        (Threshold(task="age", metric="auc", min=0), "mae, rmse, r2"),
        (Threshold(task="age", metric="mae"), "give `min`"),
        (Threshold(task="age", metric="mae", min=2, max=1), "above max"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(threshold, said):
    with pytest.raises(RootstockError, match=said):
        check_thresholds(TASKS, (threshold,))


def test_a_label_outside_the_training_classes_is_named(tmp_path, model, examples):
    other = replace(TASKS[1], label="job")
    from models.multitask.record import read_record, save_record

    record = read_record(model.path)
    targets = (record.targets[0], replace(record.targets[1], task=other), record.targets[2])
    changed = tmp_path / "model"
    changed.mkdir()
    (changed / "saved_model").symlink_to(model.saved_model)
    save_record(replace(record, targets=targets), changed)
    (tmp_path / "out").mkdir()
    with pytest.raises(RootstockError, match=r"cook|smith"):
        evaluate(tmp_path / "out", ExportedModel(changed, "d"), examples)


def test_slices_are_measured_by_themselves(tmp_path, model, examples):
    slices = (Slice(columns=("job",)), Slice(columns=("age",), edges={"age": (20, 40)}))
    threshold = Threshold(task="income", metric="auc", min=0.6, slice="job=*")
    report, blessing, _ = evaluate(
        tmp_path, model, examples, slices=slices, thresholds=(threshold,), min_slice_rows=40
    )
    table = examples.read("test")
    cooks = np.array(table["job"].to_pylist()) == "cook"
    labelled = np.array([v is not None for v in table["rich"].to_pylist()])
    income = report["slices"]["job=cook"]["tasks"]["income"]
    assert (report["slices"]["job=cook"]["rows"], income["rows"]) == (
        cooks.sum(),
        (cooks & labelled).sum(),
    )
    raw = {
        "hours-per-week": table["hours"].to_numpy()[cooks & labelled],
        "job": np.array(table["job"].to_pylist(), object)[cooks & labelled],
    }
    yes = np.array([v == "yes" for v in table["rich"].to_pylist()])[cooks & labelled]
    wanted = sk.roc_auc_score(yes, answers(raw, slope=1.0)["income"][:, 0])
    assert income["values"]["auc"] == pytest.approx(wanted, abs=1e-6)
    assert income["intervals"]["auc"]["low"] < wanted < income["intervals"]["auc"]["high"]
    assert report["slices"]["age=..20"]["tasks"] == {}  # too few rows
    assert blessing.blessed()
    verdict = json.loads((blessing.path / "blessing.json").read_text())
    assert [(c["slice"], c["met"]) for c in verdict["checks"]] == [
        ("job=cook", True),
        ("job=smith", True),
    ]
    page = (blessing.path.parent / "evaluation" / "evaluation.html").read_text()
    assert "job=cook" in page
    assert "Blessed" in page


def test_a_worse_model_than_the_champion_is_not_blessed(tmp_path, model, examples):
    worse = write_model(tmp_path / "model", slope=0.5)
    threshold = Threshold(task="age", metric="mae", max_change=0.0, meets="possibly")
    for name, candidate, champion, blessed in (
        ("new", model, worse, True),
        ("same", model, model, True),
        ("worse", worse, model, False),
    ):
        (tmp_path / name).mkdir()
        served = Champion(champion.saved_model, champion.digest)
        inputs = EvaluatorInputs(candidate, examples, served)
        context = Context(tmp_path / name, tmp_path / name)
        blessing = Evaluator(tasks=TASKS, thresholds=(threshold,)).run(inputs, context).blessing
        assert blessing.blessed() == blessed, name
    assert "significantly above the threshold 0" in blessing.reasons()[0]
    report = json.loads((tmp_path / "worse/evaluation/evaluation.json").read_text())
    change = report["tasks"]["age"]["changes"]["mae"]
    assert change["value"] == pytest.approx(
        report["tasks"]["age"]["values"]["mae"] - change["champion"]
    )


def test_a_champion_of_other_classes_is_not_compared(tmp_path, model, examples):
    served = write_model(tmp_path / "model")
    threshold = Threshold(task="job_class", metric="accuracy", min_change=0.0)
    for name, classes, blessed in (
        ("same", ("a", "b", "c"), True),
        ("other", ("b", "a", "c"), False),
    ):
        targets = [replace(t, classes=classes) for t in TARGETS if t.name == "job_class"]
        write_classes(targets, served.saved_model)
        (tmp_path / name).mkdir()
        inputs = EvaluatorInputs(model, examples, Champion(served.saved_model, name))
        context = Context(tmp_path / name, tmp_path / name)
        blessing = Evaluator(tasks=TASKS, thresholds=(threshold,)).run(inputs, context).blessing
        assert blessing.blessed() == blessed, name
    assert "their classes differ" in blessing.reasons()[0]


def test_a_champion_that_cannot_answer_is_a_reason(tmp_path, model, examples):
    import tensorflow as tf

    from serving.signatures import SignatureInput, export

    export(
        lambda raw: {"age": raw["height"]},
        tf.Module(),
        [SignatureInput("height", "float32")],
        ["age"],
        tmp_path / "other",
    )
    threshold = Threshold(task="age", metric="mae", max_change=0.0)
    inputs = EvaluatorInputs(model, examples, Champion(tmp_path / "other", "d"))
    stage = Evaluator(tasks=TASKS, thresholds=(threshold,))
    blessing = stage.run(inputs, Context(tmp_path, tmp_path)).blessing
    assert "Missing but required: {height}" in blessing.reasons()[0]


def test_row_weights_and_decisions(tmp_path, model, examples):
    report, _, _ = evaluate(tmp_path, model, examples, decisions={"income": 0.7})
    assert report["tasks"]["income"]["values"]["precision"] > 0.7
    (tmp_path / "out").mkdir()
    with pytest.raises(RootstockError, match="0 or more"):
        evaluate(tmp_path / "out", model, examples, weight="hours")


def with_patients(path, examples, patients) -> Examples:
    """The same test rows, in turn of so many patients."""
    table = examples.read("test")
    ids = pa.array([f"patient {i % patients}" for i in range(len(table))])
    (path / "test").mkdir(parents=True)
    pq.write_table(table.append_column("patient", ids), path / "test/part-00000.parquet")
    return Examples(path)


def test_groups_of_rows_are_counted_and_said_everywhere(tmp_path, model, examples):
    grouped = with_patients(tmp_path / "examples", examples, 50)
    (tmp_path / "out").mkdir()
    report, blessing, heard = evaluate(tmp_path / "out", model, grouped, key=("patient",))
    assert (report["groups"], report["key"], heard.figures["groups"]) == (50, ["patient"], 50)
    assert report["tasks"]["income"]["groups"] == 40  # the others have no label
    assert heard.warnings == blessing.warnings()
    page = (tmp_path / "out/evaluation/evaluation.html").read_text()
    assert "50 groups by patient" in page
    (tmp_path / "rows").mkdir()
    alone = with_patients(tmp_path / "alone", examples, 300)
    by_row, _, heard = evaluate(tmp_path / "rows", model, alone, key=("patient",))
    assert (by_row["groups"], heard.figures.get("groups")) == (None, None)  # every row is one
    (tmp_path / "plain").mkdir()
    plain, _, _ = evaluate(tmp_path / "plain", model, alone)
    assert plain["tasks"] == by_row["tasks"]


@pytest.mark.parametrize("slices", [(), (Slice(columns=("job",)),)])
def test_two_groups_are_not_passed_in_silence(tmp_path, model, examples, slices):
    grouped = with_patients(tmp_path / "examples", examples, 2)
    (tmp_path / "out").mkdir()
    threshold = Threshold(task="age", metric="mae", max=10, meets="certainly")
    report, blessing, heard = evaluate(
        tmp_path / "out", model, grouped, key=("patient",), thresholds=(threshold,), slices=slices
    )
    expected = "test: age is measured on only 2 groups of rows: its metrics are very uncertain"
    assert expected in blessing.warnings()
    assert heard.warnings == blessing.warnings()
    assert "without a confidence interval: too few rows or groups" in blessing.reasons()[0]
    page = (tmp_path / "out/evaluation/evaluation.html").read_text()
    assert expected in page
    assert "No interval, because of too few rows" in page
    assert report["tasks"]["age"]["withheld"] == ["mae", "rmse", "r2"]
    if slices:
        assert report["slices"]["job=cook"]["tasks"]["age"]["groups"] == 2


def only(path, examples, keep) -> Examples:
    """The test rows at these positions."""
    (path / "test").mkdir(parents=True)
    table = examples.read("test").take(pa.array(np.asarray(keep)))
    pq.write_table(table, path / "test/part-00000.parquet")
    return Examples(path)


@pytest.mark.parametrize("positives", [7, 0])
def test_few_or_no_positive_rows_are_said(tmp_path, model, examples, positives):
    rich = np.array(examples.read("test")["rich"].to_pylist())
    keep = [*np.flatnonzero(rich == "yes")[:positives], *np.flatnonzero(rich == "no")]
    (tmp_path / "out").mkdir()
    few = only(tmp_path / "examples", examples, keep)
    _, blessing, heard = evaluate(tmp_path / "out", model, few)
    expected = f"test: income is measured on only {positives} positive rows: its metrics are very"
    assert any(w.startswith(expected) for w in heard.warnings)
    assert heard.warnings == blessing.warnings()
    assert blessing.blessed() == (positives > 0)
    if not positives:
        said = "test: income.auc could not be measured: the labelled rows are all of one class"
        assert [said in r for r in blessing.reasons()] == [True]


def test_one_test_row_does_not_bless_a_model(tmp_path, model, examples):
    """Twelve rows, split in three, left a test split of one row."""
    (tmp_path / "out").mkdir()
    labelled = [v is not None for v in examples.read("test")["rich"].to_pylist()].index(True)
    few = only(tmp_path / "data", examples, [labelled])
    _, blessing, heard = evaluate(tmp_path / "out", model, few)
    assert not blessing.blessed()
    assert any("only 1 labelled rows" in w for w in heard.warnings)
