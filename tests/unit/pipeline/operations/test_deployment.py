"""Listing, rolling back and promoting pushed models through the command line."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.artifacts import PushRecord
from pipeline.cli.main import main
from pipeline.operations.deployment import pushed_before, serve_newest
from pipeline.spec.load import load_spec
from pipeline.tracking import registry
from pipeline.tracking.registry import DIGEST, MODEL
from serving.versions import labels
from serving.versions.destination import destination
from serving.versions.directory import Directory

SPEC = """\
name: little
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {size: {kind: numeric}}
tasks: {ripe: {kind: binary, label: ripe}}
push: {destination: served}
tracking: {backend: none}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec with two pushed models, the second one as a canary."""
    saved = tmp_path / "saved_model"
    saved.mkdir()
    for digest in ("first", "second"):
        (saved / "saved_model.pb").write_text(digest)
        Directory(tmp_path / "served").push("little", saved, digest)
    Directory(tmp_path / "served").label("little", "stable", 1)
    Directory(tmp_path / "served").label("little", "canary", 2)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def push(spec: Path, digest: str) -> int:
    saved = spec.parent / "saved_model"
    (saved / "saved_model.pb").write_text(digest)
    return Directory(spec.parent / "served").push("little", saved, digest)


def output_of(capsys, *arguments: object, code: int = 0) -> str:
    assert main([str(a) for a in arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def test_models_are_listed_newest_first(spec, capsys):
    lines = output_of(capsys, "models", spec).splitlines()
    assert lines[0] == str(spec.parent / "served" / "little")
    assert [line.split()[:2] for line in lines[2:]] == [["2", "canary"], ["1", "stable"]]
    assert "newest" in lines[2]


def test_a_damaged_version_is_listed_as_such(spec, capsys):
    (spec.parent / "served/little/2/saved_model.pb").unlink()
    lines = output_of(capsys, "models", spec).splitlines()
    assert "DAMAGED: saved_model.pb is missing; newest" in lines[2]
    assert "DAMAGED" not in lines[3]


def test_a_canary_becomes_stable(spec, capsys):
    assert "version 2 is now 'stable'" in output_of(capsys, "promote", spec)
    assert output_of(capsys, "models", spec).splitlines()[2].split()[1:3] == ["canary,", "stable"]
    assert "no version has the label 'beta'" in output_of(
        capsys, "promote", spec, "--from=beta", code=2
    )


def test_a_rollback_makes_a_new_version_of_the_old_content(spec, capsys):
    assert "version 3 contains the model of version 1" in output_of(capsys, "rollback", spec)
    served = spec.parent / "served" / "little" / "3" / "saved_model.pb"
    assert served.read_text() == "first"
    assert "restores 1" in output_of(capsys, "models", spec)
    assert "version 4 contains the model of version 2" in output_of(
        capsys, "rollback", spec, "--to=2"
    )
    assert "holds no version 9" in output_of(capsys, "rollback", spec, "--to=9", code=2)


def test_a_rollback_reports_moved_labels_and_what_tf_serving_needs(spec, capsys):
    said = output_of(capsys, "rollback", spec)
    assert "Labels that moved to it: canary, stable." in said
    assert "`rootstock deploy SPEC DIR` again" in said
    for digest in ("third", "fourth"):
        push(spec, digest)
    said = output_of(capsys, "rollback", spec)
    assert "version 6 contains the model of version 4" in said
    assert "'stable' stays at version 3." in said
    (spec.parent / "served" / "little" / labels.FILE).unlink()
    said = output_of(capsys, "rollback", spec)
    assert "abel" not in said
    assert "deploy" not in said


def test_a_rollback_after_a_promotion_skips_another_canary(spec, capsys):
    push(spec, "third")
    Directory(spec.parent / "served").label("little", "canary", 3)
    output_of(capsys, "promote", spec)
    assert "version 4 contains the model of version 1" in output_of(capsys, "rollback", spec)


def test_old_versions_are_deleted_by_rollbacks_and_pushes(spec, capsys):
    two = ["--set", "push.keep=2"]
    push(spec, "third")
    output_of(capsys, "rollback", spec, *two)
    output_of(capsys, "rollback", spec, "--to=3", *two)
    listed = output_of(capsys, "models", spec).splitlines()[2:]
    assert [line.split()[0] for line in listed] == ["5", "4", "2"]
    loaded, _ = load_spec(spec, ["push.keep=2"], {})
    (spec.parent / "served" / "little" / labels.FILE).unlink()
    assert [serve_newest(loaded, push(spec, "first")) for _ in range(3)] == [6, 6, 6]
    assert list(destination(loaded.push.destination).history("little")) == [5, 6]


def test_a_run_reports_the_version_of_a_model_that_was_pushed_before(spec):
    loaded, _ = load_spec(spec, [], {})
    first, second = PushRecord("little", "first", 1), PushRecord("little", "second", 2)
    stable = replace(first, label="stable")
    assert pushed_before(loaded, second, serve=True) == (
        "Version 2 already contains this model and is served by default."
    )
    assert pushed_before(loaded, first, serve=False) == (
        "Version 1 already contains this model; version 2 is served by default."
    )
    assert pushed_before(loaded, stable, serve=False) == (
        "Version 1 (stable) already contains this model; version 2 is served by default."
    )
    assert pushed_before(loaded, first, serve=True) == (
        "Version 1 already contains this model; it is served by default again, as version 3."
    )
    for serve in (True, False):
        assert pushed_before(loaded, first, serve) == (
            "Version 3 already contains this model and is served by default."
        )
    assert pushed_before(loaded, stable, serve=False) == (
        "Version 1 (stable) already contains this model; version 3, the same model, is served by"
        " default."
    )


def test_a_deploy_kit_is_not_written_into_a_folder_with_other_files(spec, capsys):
    other = spec.parent / "other"
    other.mkdir()
    assert "kubernetes/cpu" in output_of(capsys, "deploy", spec, other)
    assert "files" in output_of(capsys, "deploy", spec, other)
    said = output_of(capsys, "deploy", spec, spec.parent, code=2)
    assert f"{spec.parent} contains other files. Use a new directory" in said
    assert not (spec.parent / "compose.yaml").exists()
    assert "spec.yaml: cannot be written" in output_of(capsys, "deploy", spec, spec, code=2)


def test_a_deploy_kit_follows_the_labels(spec, capsys):
    kit = spec.parent / "kit"
    assert "docker compose" in output_of(capsys, "deploy", spec, kit)
    config = kit / "config" / "models.config"
    assert 'key: "canary" value: 2' in config.read_text()
    assert 'key: "stable" value: 1' in config.read_text()
    output_of(capsys, "promote", spec)
    output_of(capsys, "deploy", spec, kit)
    assert 'key: "stable" value: 2' in config.read_text()
    assert str(spec.parent / "served" / "little") in (kit / "compose.yaml").read_text()


def test_commands_without_a_pushed_model_are_explained(spec, capsys):
    nowhere = ["--set", "push.destination=elsewhere"]
    assert "no model has been pushed yet" in output_of(capsys, "models", spec, *nowhere, code=2)
    assert "holds no version" in output_of(capsys, "rollback", spec, *nowhere, code=2)
    kit = spec.parent / "kit"
    assert "no model has been pushed" in output_of(capsys, "deploy", spec, kit, *nowhere, code=2)
    assert not kit.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"  # MLflow 3.17's
)
def test_mlflow_follows_a_rollback(spec, capsys, tmp_path):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    client.create_registered_model("little")
    push(spec, "third")
    Directory(tmp_path / "served").label("little", "canary", 3)
    for digest in ("first", "second", "third", "fourth"):
        tags = {DIGEST: digest, MODEL: "m"}
        client.create_model_version("little", source="/nowhere", tags=tags)
    client.set_registered_model_alias("little", "champion", "1")
    registry.make_challenger(client, "little", "3", 3)

    def aliases() -> dict[str, str]:
        told_now = client.get_registered_model("little").aliases
        return {k: str(v) for k, v in told_now.items()}

    tracking = ["--set", "tracking.backend=mlflow", "--set", f"tracking.uri={uri}"]
    output_of(capsys, "promote", spec, "--to=beta", *tracking)
    assert aliases() == {"champion": "1", "challenger": "3"}
    output_of(capsys, "promote", spec, *tracking)
    assert aliases() == {"champion": "3", "previous": "1"}
    push(spec, "fourth")
    Directory(tmp_path / "served").label("little", "canary", 4)
    registry.make_challenger(client, "little", "4", 4)
    output_of(capsys, "rollback", spec, *tracking)  # of the canary
    assert aliases() == {"champion": "3", "previous": "1"}
    output_of(capsys, "rollback", spec, *tracking)
    assert aliases() == {"champion": "1", "previous": "3"}
    registry.make_challenger(client, "little", "1", 7)
    assert aliases() == {"champion": "1", "previous": "3"}


def test_serving_an_earlier_model_leaves_labels_where_they_are(spec):
    loaded, _ = load_spec(spec, [], {})
    assert serve_newest(loaded, 2) == 2
    assert serve_newest(loaded, 1) == 3
    place = destination(loaded.push.destination)
    assert place.labels("little") == {"stable": 1, "canary": 2}
    assert place.history("little")[3].digest == "first"


def test_a_kit_copies_the_model_from_an_object_store(spec, capsys):
    command = ["deploy", spec, spec.parent / "kit"]
    for url in ("memory://models", "memory://key:hunter2@models"):
        destination(url).push("little", spec.parent / "saved_model", "first", None)
    output_of(capsys, *command, "--set=push.destination=memory://models")
    assert '"memory://models"\n' in (command[2] / "kubernetes/cpu/serving.yaml").read_text()
    said = output_of(capsys, *command, f"--set=push.destination={url}", code=2)
    assert "holds a password" in said
    assert "hunter2" not in said
