from dataclasses import dataclass, field

from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from pipeline.store.fingerprint import canonical
from pipeline.tracking.params import flat


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    name: str = ""


@dataclass(frozen=True)
class Example:
    seed: int = 3
    big: int = 2**62
    on: bool = True
    nothing: None = None
    words: tuple[str, ...] = ("a", "b")
    numbers: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()
    weights: dict[str, float] = field(default_factory=lambda: {"cat": 2.0})
    many: tuple[Inner, ...] = (Inner(), Inner(0.25))


def test_parameters_get_dotted_names_and_plain_values():
    assert flat(canonical(Example())) == {
        "seed": 3,
        "big": 2**62,
        "on": True,
        "nothing": "",
        "words": "a, b",
        "numbers": "1, 2",
        "inner.rate": 0.5,
        "inner.name": "",
        "weights.cat": 2.0,
        "many.0.rate": 0.5,
        "many.0.name": "",
        "many.1.rate": 0.25,
        "many.1.name": "",
    }


def test_tasks_are_called_by_their_names():
    tasks = (BinaryTask(name="cat", label="c"), MulticlassTask(name="dog", label="d"))
    params = flat(canonical(tasks), "tasks")
    assert params["tasks.cat.label"] == "c"
    assert params["tasks.dog.label"] == "d"
