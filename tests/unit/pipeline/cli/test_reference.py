"""The JSON Schema of specs and the page that is made of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from components.errors import RootstockError
from pipeline.cli.main import main
from pipeline.cli.methods import FAMILIES, all_methods
from pipeline.cli.reference import json_schema, page
from pipeline.spec.load import load_spec
from pipeline.spec.model import Model

DOCS = Path(__file__).parents[4] / "docs"


def test_the_page_of_the_docs_is_up_to_date() -> None:
    hint = "rootstock schema --markdown > docs/spec.md writes it"
    assert (DOCS / "spec.md").read_text() == page(), hint


def test_links_of_the_page_exist() -> None:
    headings = {
        name: set(re.findall(r"^#+ (.*)$", (DOCS / name).read_text(), re.MULTILINE))
        for name in ("spec.md", "methods.md")
    }
    for file, anchor in re.findall(r"\]\((\w+\.md)?#(\w+)\)", page()):
        known = {h.lower() for h in headings[file or "spec.md"]}
        assert anchor in known, (file, anchor)


def test_the_json_schema_describes_keys() -> None:
    parts = json_schema()["$defs"]
    expected = {
        ("Training", "clip_norm"): "maximal norm of the gradient of all weights together.",
        ("BinaryTask", "positive"): "label values that mean yes;",
        ("CsvReader", "path"): "",
        ("HashSplits", "train"): "the share of examples",
        ("ColumnSplits", "column"): None,
        ("PCGrad", "at"): "where the gradient of each task is taken.",
        ("MMoE", "towers"): "units of the dense layers",
    }
    for (part, key), begins in expected.items():
        found = parts[part]["properties"][key].get("description")
        assert found is None if begins is None else found.startswith(begins)
    json.dumps(parts)


ROOT = DOCS.parent
VALIDATOR = Draft202012Validator(json_schema())
ROWS = "size,when,ripe\n" + "".join(f"{i},2024-01-{i % 28 + 1:02},{i % 2}\n" for i in range(40))


def test_editors_accept_every_example_and_what_init_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    spec = tmp_path / "own.yaml"
    assert main(["init", str(tmp_path / "rows.csv"), "--label=ripe", f"--output={spec}"]) == 0
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", spec.read_text())
    assert named
    schema = tmp_path / named[1]
    assert json.loads(schema.read_text()) == json_schema()

    examples = sorted(map(str, ROOT.glob("examples/*/*.yaml")))
    assert len(examples) > 15
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(spec.read_text().replace("kind: binary", "kind: binray"))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(spec)]
    done = subprocess.run([*command, *examples, str(wrong)], capture_output=True, text=True)
    assert done.returncode == 1
    assert set(re.findall(r"^ *(/\S+?)::", done.stdout, re.MULTILINE)) == {str(wrong)}


def loads(type_: TypeAdapter[Any], value: object) -> bool:
    try:
        type_.validate_python(value)
    except ValidationError:
        return False
    return True


def test_a_method_without_required_parameters_is_a_name() -> None:
    schema = json_schema()
    names: dict[str, bool] = {}
    for family in FAMILIES:
        value = schema["$defs"]["Model"]["properties"][family]
        editor = Draft202012Validator({"$defs": schema["$defs"], **value})
        type_ = TypeAdapter(Model.model_fields[family].rebuild_annotation())
        for method in (m for m in all_methods() if m.family == family):
            names[method.name] = editor.is_valid(method.name)
            assert names[method.name] == loads(type_, method.name), method.name
    assert {"pcgrad", "mmoe", "scratch", "frozen"} <= {name for name, fits in names.items() if fits}
    assert not names["keras_hub"]


BASE = """
name: base
data: {sources: [{format: csv, path: "${DATA}/a.csv"}]}
inputs: {size: numeric}
tasks: {ripe: {kind: binary, label: ripe}}
"""


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ("", True),
        ("inputs: {größe: {kind: numeric, bins: 4}, 重さ: numeric}", True),
        ("inputs: {2nd: numeric}", False),
        ("inputs: {image: image}", False),
        ("tasks: {ripe: {kind: binary, label: ripe, positive: 1}}", True),
        ("tasks: {ripe: {kind: binary, label: ripe, positive: [yes, 1.5, high]}}", True),
        (
            "tasks: {ripe: {kind: multiclass, label: r, map: {0: few, 1: 2}, classes: [few, 2]}}",
            True,
        ),
        ("tasks: {ripe: {kind: binary, label: ripe, positiv: 1}}", False),
        ("model: {balancing: pcgrad, experts: none, sharing: {name: mmoe}}", True),
        ("model: {experts: [trees, linear]}", True),
        ("model: {balancing: pcgard}", False),
        ("training: {epochs: '${EPOCHS:-3}', mixed_precision: '${FAST:-no}'}", True),
        ("training: {optimizer: '${OPTIMIZER:-adam}'}", True),
        ("training: {epochs: three}", False),
        ("tune: {space: {training.epochs: [1, 2], training.ema: {low: 0.1, high: 0.9}}}", True),
        ("tracking: {experiment: A first try. 2}", True),
        ("study: {arms: {own: {models: [[ripe]], set: {training.epochs: 2}}}}", True),
    ],
)
def test_editors_accept_what_the_loader_accepts(tmp_path: Path, change: str, fits: bool) -> None:
    content = yaml.safe_load(BASE) | (yaml.safe_load(change) or {})
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True))
    if fits:
        load_spec(file, variables={"DATA": str(tmp_path)})
    else:
        with pytest.raises(RootstockError):
            load_spec(file, variables={"DATA": str(tmp_path)})
    as_json = json.loads(json.dumps(content))
    problems = [e.message for e in VALIDATOR.iter_errors(as_json)]
    assert bool(problems) is not fits, problems
