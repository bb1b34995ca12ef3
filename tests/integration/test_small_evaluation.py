"""An evaluation on too few rows or groups says so at the end of a run, and in what is pushed."""

from __future__ import annotations

import json
import random
from pathlib import Path

from serving.versions.directory import Directory
from tests.command_line import call, entry, sets

SPEC = """\
name: visits
data:
  sources: [{format: csv, path: visits.csv}]
  key: [patient]
  splits: {train: 0.6, val: 0.2, test: 0.2}
inputs:
  x: {kind: numeric}
tasks:
  ill: {kind: binary, label: ill, positive: "yes"}
model: {experts: none}
training: {epochs: 1, batch_size: 32}
push: {destination: served}
store: store
tracking: {backend: none}
"""


def visits(patients: int) -> str:
    rng = random.Random(0)
    lines = ["patient,x,ill"]
    for patient in range(patients):
        for _ in range(20):
            x = rng.gauss(0, 1)
            lines.append(f"p{patient},{x:.3f},{'yes' if x + rng.gauss(0, 1) > 0 else 'no'}")
    return "\n".join(lines) + "\n"


def test_few_groups_are_said_at_the_end_of_each_run(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "visits.csv").write_text(visits(30))
    code, out, err = call(tmp_path, "run", "spec.yaml")
    assert code == 0, err
    evaluation = entry(tmp_path, "Evaluator").path / "evaluation"
    report = json.loads((evaluation / "evaluation.json").read_text())
    assert report["groups"] < 20
    assert report["rows"] == 20 * report["groups"]
    warning = f"test: ill is measured on only {report['groups']} groups of rows"
    assert f"groups {report['groups']}, ill.auc" in out
    assert f"Warning: {warning}" in out
    assert warning in err
    assert warning in (evaluation / "evaluation.html").read_text()
    pushed = json.loads((entry(tmp_path, "Pusher").path / "pushed" / "pushed.json").read_text())
    assert pushed["version"] == 1
    assert pushed["warnings"][0].startswith(warning)
    code, out, _ = call(tmp_path, "run", "spec.yaml")  # from the cache
    assert f"Warning: {warning}" in out
    missed = "thresholds=[{task: ill, metric: auc, min: 0.4, meets: certainly}]"
    code, out, _ = call(tmp_path, "run", "spec.yaml", *sets(missed, "push.destination=other"))
    interval = report["tasks"]["ill"]["intervals"]["auc"]
    assert ("Not pushed" in out) == (interval["low"] < 0.4)

    name = pushed["model"]
    elsewhere = SPEC.replace("destination: served", "destination: elsewhere")
    (tmp_path / "spec.yaml").write_text(elsewhere)
    Directory(tmp_path / "elsewhere").push(name, Path(pushed["path"]), "another model")
    changed = sets("evaluation.min_slice_rows=20")
    code, out, err = call(tmp_path, "run", "spec.yaml", *changed)
    assert code == 0, err
    assert "Not pushed: version 1 is served; a run with --set does not replace it." in out
    assert "Not pushed: version 1 is served" in call(tmp_path, "run", "spec.yaml", *changed)[1]
    page = tmp_path / "store" / "pages" / name / "run.html"
    assert "version 1 is served, and this run does not replace it" in page.read_text()
    code, out, err = call(tmp_path, "push", "spec.yaml", *changed)
    assert code == 0, err
    assert "Pushed version 2" in out
    assert "REPLACED: version 1, which was served until now." in out
    assert "version 2, instead of version 1" in page.read_text()


def test_a_model_without_any_figure_is_not_pushed(tmp_path: Path) -> None:
    """Twelve rows: all test rows are of one class, so that there is no AUC."""
    lines = ["patient,x,ill", *(f"p{i},{i % 5},{'yes' if i % 2 else 'no'}" for i in range(12))]
    (tmp_path / "visits.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "spec.yaml").write_text(
        SPEC.replace("splits: {train: 0.6, val: 0.2, test: 0.2}", "splits: {by: column, column: s}")
    )
    splits = ["s", *["train"] * 8, "val", "val", "test", "test"]
    rows = (f"{line},{s}" for line, s in zip(lines, splits, strict=True))
    text = "\n".join(rows).replace("p11,1,yes", "p11,1,no")
    (tmp_path / "visits.csv").write_text(text + "\n")
    code, out, _ = call(tmp_path, "run", "spec.yaml")
    assert code == 0
    assert "Not pushed: test: ill.auc could not be measured" in out
    assert "Warning: test: ill is measured on only 2 labelled rows" in out
    assert not (tmp_path / "served").exists()
