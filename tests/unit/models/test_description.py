from pathlib import Path

import pytest

from models.description import read_description
from models.multitask.record import save_record
from tests.stages import RECORD


def test_features_and_targets_are_those_of_the_record(tmp_path: Path) -> None:
    save_record(RECORD, tmp_path)
    description = read_description(tmp_path)
    assert description.features == RECORD.features
    assert description.targets == RECORD.targets


def test_a_directory_without_a_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"model\.json"):
        read_description(tmp_path)
