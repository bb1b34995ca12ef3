"""`interface.json`: what was written is read, and nothing else is taken for it."""

from pathlib import Path

import pytest

from serving.interface import FILE, Answer, Field, Interface, read_interface, write_interface


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_interface(tmp_path) is None
    field = Field(name="job", asks="choice", choices=("cook", "smith"), others=3, usual="cook")
    answer = Answer(name="rich", classes=("negative", "positive"), decision=0.3)
    interface = Interface((field, Field(name="age", asks="number", low=1.0, high=9.5)), (answer,))
    write_interface(interface, tmp_path)
    assert read_interface(tmp_path) == interface


@pytest.mark.parametrize(
    "content", ["{", '{"fields": []}', '{"fields": [{"x": 1}], "answers": []}']
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ValueError, match=r"interface\.json|line 1"):
        read_interface(tmp_path)
