"""The lists in the import contracts of pyproject.toml; `lint-imports` checks the contracts."""

import tomllib

from tests.stages import ROOT, stage_classes


def test_the_module_of_every_stage_is_protected() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    listed = [m for c in settings["contracts"] for m in c.get("protected_modules", ())]
    assert sorted(listed) == sorted({cls.__module__ for cls in stage_classes()})
