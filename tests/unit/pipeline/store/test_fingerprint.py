from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.artifacts import Artifact, Examples
from components.stage import Context, Stage
from pipeline.store.fingerprint import canonical, identify


@dataclass(frozen=True)
class Inputs:
    examples: Examples
    more: tuple[Examples, ...] = ()


@dataclass(frozen=True)
class Scale(Stage[Inputs, Inputs]):
    factor: float = 1.0
    place: str = field(default="", metadata={"fingerprint": False})

    def run(self, inputs: Inputs, context: Context) -> Inputs:
        return inputs


HERE = Examples(Path("/a"), "d1")


def test_paths_and_unmarked_fields_do_not_change_the_fingerprint() -> None:
    a = identify(Scale(place="x"), Inputs(HERE))
    b = identify(Scale(place="y"), Inputs(Examples(Path("/elsewhere"), "d1")))
    assert a == b
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize(
    ("stage", "inputs", "cause"),
    [
        (Scale(2.0), Inputs(HERE), "parameter factor"),
        (Scale(), Inputs(Examples(Path("/a"), "d2")), "input examples"),
        (Scale(), Inputs(HERE, (HERE,)), "input more[0]"),
    ],
)
def test_a_change_gives_another_fingerprint_and_is_named(
    stage: Scale, inputs: Inputs, cause: str
) -> None:
    before, after = identify(Scale(), Inputs(HERE)), identify(stage, inputs)
    assert before.fingerprint != after.fingerprint
    assert after.differs_from(before) == [cause]


def test_an_unpublished_input_is_refused() -> None:
    with pytest.raises(TypeError, match="not a published artifact"):
        identify(Scale(), Inputs(Examples(Path("/a"))))


def test_a_path_has_no_canonical_form() -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        canonical(Path("/a"))


def test_artifacts_of_different_type_differ() -> None:
    @dataclass(frozen=True)
    class Any:
        artifact: Artifact

    a = identify(Scale(), Any(Examples(Path("/a"), "d")))  # type: ignore[arg-type]
    b = identify(Scale(), Any(Artifact(Path("/a"), "d")))  # type: ignore[arg-type]
    assert a.fingerprint != b.fingerprint
