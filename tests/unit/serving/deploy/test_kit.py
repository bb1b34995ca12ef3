"""The files of a kit, written again after its labels moved."""

from pathlib import Path

from serving.deploy.kit import Deployment, is_kit, write


def files_below(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_writing_again_follows_the_labels_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert not is_kit(tmp_path)
    written = write(Deployment("m", "/models", {"stable": 1, "canary": 2}), tmp_path)
    assert is_kit(tmp_path)
    before = files_below(tmp_path)
    assert before == sorted(str(path.relative_to(tmp_path)) for path in written)
    write(Deployment("m", "/models", {"stable": 2, "canary": 2}), tmp_path)
    assert files_below(tmp_path) == before
    text = (tmp_path / "config" / "models.config").read_text()
    assert 'key: "stable" value: 2' in text
    assert "versions: 1" not in text
