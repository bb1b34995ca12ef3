import subprocess
from pathlib import Path

from pipeline.tracking.source import source_tags


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_and_what_it_lacks(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: a")
    assert set(source_tags(spec)) == {"mlflow.source.name", "mlflow.source.type"}
    git(tmp_path, "init", "-q", "-b", "work")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "https://me:secret@example.com/fruit.git")
    tags = source_tags(spec)
    assert tags["mlflow.source.git.commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert tags["mlflow.source.git.branch"] == "work"
    assert tags["mlflow.source.git.repoURL"] == "https://***@example.com/fruit.git"
    assert tags["mlflow.source.git.dirty"] == "true", "the spec is not in the commit"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "spec")
    assert source_tags(spec)["mlflow.source.git.dirty"] == "false"
    spec.write_text("name: b")
    assert source_tags(spec)["mlflow.source.git.dirty"] == "true"
