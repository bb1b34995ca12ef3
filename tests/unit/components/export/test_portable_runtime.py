"""What a format needs. Files in their runtimes are tested with the PortableValidator."""

import pytest

from components.errors import RootstockError
from components.export.portable.onnx import Onnx
from components.export.portable_runtime import check_installed


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Onnx, "modules", ("json", "no_such_module"))
    with pytest.raises(RootstockError, match="pip install no_such_module"):
        check_installed([Onnx()])
