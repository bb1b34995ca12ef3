"""`rootstock validate` builds a pretrained trunk, or says that it did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import call, sets
from tests.gguf_files import llama_file
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
        (text_preset, ", length: 17", "it has 16 positions, but `length` is 17"),
        (decoder_preset, ", length: 16, pooling: last", "The trunk was built: "),
        (
            decoder_preset,
            ", length: 16, pooling: first",
            "is a decoder: the output of its first token",
        ),
        (
            decoder_preset,
            ", length: 16, pooling: pooled",
            "no output for pooling 'pooled'. Its outputs: a",
        ),
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


@pytest.mark.slow
def test_a_gguf_file_is_built(project: Path) -> None:
    llama_file(project / "small.gguf")
    for options, code, expected in (
        ("length: 8", 0, "The trunk was built: "),
        ("length: 33", 2, "the model has 32 positions, but `length` is 33"),
        ("length: 8, dtype: bfloat16", 2, "bfloat16 is for `transfer: frozen`"),
    ):
        trunk = f"model.trunk={{name: gguf, file: {project / 'small.gguf'}, {options}}}"
        received, out, err = call(project, "validate", "spec.yaml", *sets(trunk))
        assert expected in out + err
        assert received == code
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
