"""The command that asks the served model; tests/integration/test_pipeline.py has whole pages."""

from pathlib import Path

from pipeline.run_page.page import _example
from serving.interface import Answer, Field, Interface, write_interface


def test_the_example_asks_with_typical_values(tmp_path: Path) -> None:
    assert _example("m", tmp_path) == "rootstock predict m"
    fields = (
        Field(name="photo", asks="image"),
        Field(name="age", asks="number", usual=38.5),
        Field(name="job", asks="choice", choices=("it's a cook",), usual="it's a cook"),
        Field(name="day", asks="text", hint="2024-01-31"),
    )
    write_interface(Interface(fields, (Answer(name="rich"),)), tmp_path)
    assert _example("m", tmp_path) == (
        "rootstock predict m photo=@picture.jpg age=38.5 'job=it'\"'\"'s a cook' day=2024-01-31"
    )
