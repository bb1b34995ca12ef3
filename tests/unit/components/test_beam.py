from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from components.beam import hand_over, map_units
from components.stage import Context, RootstockError

Make = Callable[[str], Context]


def square(index: int, unit: int, *, log: Path, refused: tuple[int, ...] = ()) -> int:
    with open(log, "a") as file:
        file.write(f"{index}\n")
    if unit in refused:
        raise RootstockError(f"unit {unit} is bad")
    return unit * unit


def test_results_come_in_the_order_of_units(new_context: Make, tmp_path: Path) -> None:
    work = partial(square, log=tmp_path / "log")
    assert map_units("x", [5, 1, 3], work, new_context("a")) == [25, 1, 9]
    assert map_units("none", [], work, new_context("a")) == []


def test_an_attempt_after_a_crash_does_only_what_is_left(new_context: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    work = partial(square, log=log)
    map_units("x", [1, 2, 3], work, new_context("a"))
    context = new_context("a")
    (context.scratch / "x" / "00001.pickle").unlink()
    (context.scratch / "x" / "00001.pickle.abc").write_bytes(b"half a resu")
    log.unlink()
    assert map_units("x", [1, 2, 3], work, context) == [1, 4, 9]
    assert log.read_text() == "1\n"


def test_what_was_handed_over_is_made_again(new_context: Make, tmp_path: Path) -> None:
    context = new_context("a")
    written, target = context.scratch / "files", context.output / "files"
    (written / "train").mkdir(parents=True)
    (written / "train" / "part").write_text("whole")
    (written / "train" / ".part.123").write_text("hal")
    work = partial(square, log=tmp_path / "log")
    map_units("x", [1], work, context)
    hand_over("x", written, target, context)
    assert [p.name for p in target.rglob("*")] == ["train", "part"]
    map_units("x", [1], work, context)
    assert (tmp_path / "log").read_text() == "0\n0\n"


def test_the_users_error_comes_through_and_is_tried_again(
    new_context: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = partial(square, log=tmp_path / "log", refused=(7, 8))
    with pytest.raises(RootstockError, match=r"^unit 8 is bad$"):
        map_units("x", [1, 8, 7], work, new_context("a"))
    assert capfd.readouterr().err == ""
    mended = partial(square, log=tmp_path / "log", refused=(7,))
    with pytest.raises(RootstockError, match=r"^unit 7 is bad$"):
        map_units("x", [1, 8, 7], mended, new_context("a"))
