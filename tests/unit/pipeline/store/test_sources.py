"""Which modules count: on a small tree of modules, each of a few lines."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from pipeline.store import sources as reading
from pipeline.store.sources import Known, known, sources

NOTHING = Known(frozenset(), frozenset(), frozenset())
Write = Callable[[Mapping[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules: source text by path."""
    monkeypatch.setattr(reading, "ROOT", tmp_path)

    def write(files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        reading.forget()

    write({})
    yield write
    write({})


def test_every_import_counts_wherever_it_is(write: Write) -> None:
    write(
        {
            "models/__init__.py": "",
            "models/a.py": "def f():\n    from models import b\n",
            "models/b.py": "from .c import x\nimport numpy\n",
            "models/c.py": "x = 1\n",
            "models/unrelated.py": "",
        }
    )
    before = sources(frozenset({"models.a"}), NOTHING)
    assert set(before) == {"models", "models.a", "models.b", "models.c"}
    write({"models/c.py": "x = 2\n"})
    after = sources(frozenset({"models.a"}), NOTHING)
    assert {m for m in before if before[m] != after[m]} == {"models.c"}


def test_templates_and_style_sheets_count_with_the_module_of_their_name(write: Write) -> None:
    write({"models/a.py": "import models.b", "models/b.py": ""})
    before = sources(frozenset({"models.a"}), NOTHING)
    write({"models/b.html.jinja": "<p>", "models/unrelated.css": "p {}"})
    after = sources(frozenset({"models.a"}), NOTHING)
    assert {m for m in before if before[m] != after[m]} == {"models.b"}


def test_imports_for_types_do_not_count_but_their_else_branch_does(write: Write) -> None:
    write(
        {
            "models/a.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import models.b\nelse:\n    import models.c\n",
            "models/b.py": "",
            "models/c.py": "",
        }
    )
    assert set(sources(frozenset({"models.a"}), NOTHING)) == {"models.a", "models.c"}


def test_a_module_that_is_not_there_is_an_error(write: Write) -> None:
    with pytest.raises(LookupError, match=r"models\.gone, which has no source file"):
        sources(frozenset({"models.gone"}), NOTHING)


PART_MODULES = {"models.a", "models.base", "models.p.bird", "models.p.fish", "models.wing"}


@dataclass(frozen=True)
class Bird:
    kind: Literal["bird"] = "bird"


@dataclass(frozen=True)
class Nest:
    birds: tuple[Bird, ...]
    kind: str


PARTS = {
    "models/a.py": "from models.base import Base\n"
    "from models.discovery import part\ndef f(k):\n    part('models.p', Base, k)\n",
    "models/base.py": "",
    "models/p/bird.py": "from models import wing\nfrom models.base import Base\nclass B(Base): 0\n",
    "models/p/fish.py": "from models.p.bird import B\nclass F(B[int]): 0\n",
    "models/p/helper.py": "class Other: 0\n",
    "models/p/deep/frog.py": "from models.base import Base as X\nclass Frog(X): 0\n",
    "models/wing.py": "",
}


def test_a_part_counts_for_the_kinds_that_occur(write: Write) -> None:
    write(PARTS)
    bird = known([Nest((Bird(),), kind="fish")])  # a kind that is no literal is not one
    assert bird.kinds == {"bird"}
    found = sources(frozenset({"models.a"}), bird)
    assert set(found) == {"models.a", "models.base", "models.p.bird", "models.wing"}


def test_every_part_counts_when_no_kind_of_the_package_occurs(write: Write) -> None:
    write(PARTS)
    found = sources(frozenset({"models.a"}), NOTHING)
    assert set(found) == PART_MODULES


@pytest.mark.parametrize("call", ["choice('models.p', Base)", "methods('models.p', Base, 'kind')"])
def test_a_choice_counts_whole_unless_an_object_of_the_family_is_known(
    write: Write, call: str
) -> None:
    write(
        PARTS
        | {
            "models/a.py": "from models.discovery import choice, methods\n"
            f"from models.base import Base\nX = {call}\n",
            "models/p/deep/__init__.py": "",
            "models/p/layers/__init__.py": "",
            "models/p/layers/conv.py": "",
        }
    )
    others = {"models.base", "models.a"}
    whole = {"models.p.bird", "models.p.fish", "models.p.deep.frog", "models.wing"}
    assert set(sources(frozenset({"models.a"}), NOTHING)) == others | whole
    family = Known(frozenset(), frozenset({"models.base.Base"}), frozenset())
    assert set(sources(frozenset({"models.a"}), family)) == others


def test_a_package_that_is_computed_is_an_error(write: Write) -> None:
    write({"models/a.py": "from models.discovery import part\npart(f'models.{x}', Base, k)\n"})
    with pytest.raises(ValueError, match=r"models\.a, line 2: part\(.* its package literally"):
        sources(frozenset({"models.a"}), NOTHING)


def test_known_objects_bring_the_modules_of_their_types_and_bases() -> None:
    from models.sharing.hard import Hard

    objects = known([{"a": [Hard()]}])
    assert objects.modules == {"models.sharing.hard"}
    assert {"models.sharing.hard.Hard", "models.sharing.base.Sharing"} <= objects.bases


def test_a_class_may_choose_among_its_own_subclasses(write: Write) -> None:
    write(
        PARTS
        | {
            "models/base.py": "from models.discovery import choice\nclass Base:\n"
            "    @classmethod\n    def all(cls):\n        return choice('models.p', cls)\n"
        }
    )
    family = Known(frozenset(), frozenset({"models.base.Base"}), frozenset())
    assert set(sources(frozenset({"models.base"}), family)) == {"models.base"}
    assert "models.p.fish" in sources(frozenset({"models.base"}), NOTHING)


def test_kinds_of_features_of_an_input_count() -> None:
    from models.inputs.text import TextInput

    assert {"text", "tokens"} <= known([TextInput(name="t", column="t")]).kinds


def test_a_choice_by_kind_counts_for_the_kinds_that_occur(write: Write) -> None:
    write(PARTS | {"models/a.py": PARTS["models/a.py"].replace("part", "methods")})
    assert set(sources(frozenset({"models.a"}), known([Bird()]))) == PART_MODULES - {
        "models.p.fish"
    }
