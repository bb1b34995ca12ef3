"""Portable formats are found by name, and say what they need."""

import pytest
from pydantic import TypeAdapter, ValidationError

from components.export.portable.base import PortableFormat
from components.export.settings import Export
from models.discovery import methods


def test_a_spec_names_formats() -> None:
    read = TypeAdapter(Export).validate_python
    assert [f.name for f in read({"formats": ["onnx", "litert_int8"]}).formats] == [
        "onnx",
        "litert_int8",
    ]
    with pytest.raises(ValidationError, match="litert_dynamic"):
        read({"formats": ["coreml"]})


def test_each_format_has_a_file_of_its_own() -> None:
    formats = methods("components.export.portable", PortableFormat).values()
    assert len({f.file for f in formats}) == len(formats) == 4
