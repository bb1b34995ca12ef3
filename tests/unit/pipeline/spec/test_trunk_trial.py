"""`rootstock validate` builds a pretrained trunk, or says that it did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import call, sets
from tests.pretrained_files import decoder_preset, image_preset, text_preset

SPEC = """\
name: trial
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {words: {kind: text, column: text}}
tasks: {spam: {kind: binary, label: label, positive: spam}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("text,label\nwin a prize,spam\nsee you,ham\n" * 20)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "options", "expected"),
    [
        (text_preset, ", length: 16", "The trunk was built: "),
        (text_preset, ", length: 17", "its max_sequence_length is 16"),
        (decoder_preset, ", length: 16, pooling: last", "The trunk was built: "),
        (decoder_preset, ", pooling: first", "is a decoder: the output of its first token"),
        (decoder_preset, ", pooling: pooled", "no output for pooling 'pooled'. Its outputs: a"),
        (image_preset, "", "reads images, but inputs.words is text"),
    ],
)
def test_a_pretrained_trunk_is_built(
    project: Path, preset: Callable[[Path], None], options: str, expected: str
) -> None:
    preset(project / "preset")
    trunk = f"model.trunk={{name: keras_hub, preset: {project / 'preset'}{options}}}"
    code, out, err = call(project, "validate", "spec.yaml", *sets(trunk))
    assert expected in (out if code == 0 else err)
    assert code == (0 if "built" in expected else 2)
    assert "Traceback" not in err


def test_a_trunk_from_scratch_is_not(project: Path) -> None:
    code, out, _ = call(project, "validate", "spec.yaml")
    assert code == 0
    assert "trunk" not in out


def test_nothing_is_downloaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(project))
    monkeypatch.setattr("models.trunks.sources.presets.unreachable", lambda host: "")
    trunk = "model.trunk={name: keras_hub, preset: bert_tiny_en_uncased}"
    code, out, _ = call(project, "validate", "spec.yaml", *sets(trunk))
    assert code == 0
    assert "The trunk was not built: its files would have to be downloaded first." in out
