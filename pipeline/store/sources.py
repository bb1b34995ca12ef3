"""Which first-party modules a result depends on, read from import statements and a few calls.

An import counts wherever it stands, inside a function too, but not under `if TYPE_CHECKING:`: types
are no code that runs. Two calls of `models.discovery` import modules that no statement names:

- `part("package", Base, kind)` imports `package.<kind>`. It adds those modules for the kinds that
  occur among the known values, or for all kinds of the package when none of them occurs.
- `choice("package", Base)` and `methods("package", Base)` import a whole package, to turn text into
  objects. Objects that are known already bring their own modules. When no known value is a `Base`,
  any subclass may come out of a file, so their modules are added: those named like the kinds that
  occur, or all.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from models.discovery import PARTS
from models.inputs.base import Input

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARTY = ("components", "models", "serving", "pipeline")
DATA_SUFFIXES = (".css", ".jinja")
CALLS = ("part", "choice", "methods")
DISCOVERY = "models.discovery"


@dataclass(frozen=True)
class Known:
    """What is known of the objects that a stage works with: its parameters and what it `uses`.

    modules: that define their types. bases: qualified names of those types and of all their bases.
    kinds: the values of their literal `kind` fields, and the kinds of features of inputs.
    """

    modules: frozenset[str]
    bases: frozenset[str]
    kinds: frozenset[str]


@dataclass(frozen=True)
class Call:
    """A call of a function in `CALLS`. base: the qualified name of its second argument."""

    function: str
    package: str
    base: str


@dataclass(frozen=True)
class Module:
    """What a source file says.

    digest: of its content, and of what it reads beside itself.
    bases: qualified names of the bases of each class, by its name.
    """

    digest: str
    imports: tuple[str, ...]
    calls: tuple[Call, ...]
    bases: Mapping[str, tuple[str, ...]]


def known(values: Iterable[Any]) -> Known:
    """Collect what `Known` holds from dataclasses, inside of tuples, lists and mappings too."""
    parts = [p for value in values for p in _dataclasses(value)]
    types = {base for p in parts for base in type(p).__mro__ if _first_party(base.__module__)}
    return Known(
        modules=frozenset(type(p).__module__ for p in parts if _first_party(type(p).__module__)),
        bases=frozenset(f"{t.__module__}.{t.__qualname__}" for t in types),
        kinds=frozenset(kind for p in parts for kind in _kinds(p)),
    )


@cache
def sources(start: frozenset[str], objects: Known) -> Mapping[str, str]:
    """Digest by module of `start` and of every first-party module that they lead to.

    Raises:
        LookupError: a module in `start` has no source file.
        ValueError: a call in `CALLS` does not name its package literally.
    """
    digests: dict[str, str] = {}
    waiting = sorted(start)
    for name in waiting:
        if file_of(name) is None:
            raise LookupError(f"A result depends on the module {name}, which has no source file.")
    while waiting:
        name = waiting.pop()
        if name in digests or (file := file_of(name)) is None:
            continue
        module = parse_module(name, file)
        digests[name] = module.digest
        waiting += module.imports
        for call in module.calls:
            waiting += _imported_by(call, objects)
    return dict(sorted(digests.items()))


def _imported_by(call: Call, objects: Known) -> list[str]:
    """The modules that a call imports for these objects."""
    if call.function != "part" and call.base in objects.bases:
        return []
    modules = list(_family(call))
    return [m for m in modules if m.rpartition(".")[2] in objects.kinds] or modules


def _family(call: Call) -> Iterator[str]:
    """The modules that define a subclass of the base, in the package and, but for parts, below."""
    return (
        module
        for module in _modules_in(call.package, deep=call.function != "part")
        if any(_derives(f"{module}.{name}", call.base) for name in _read(module).bases)
    )


def _modules_in(package: str, deep: bool) -> Iterator[str]:
    for file in sorted(ROOT.joinpath(*package.split(".")).iterdir()):
        if file.suffix == ".py" and file.stem != "__init__":
            yield f"{package}.{file.stem}"
        elif deep and (file / "__init__.py").is_file() and file.name not in PARTS:
            yield from _modules_in(f"{package}.{file.name}", deep)


def _derives(name: str, base: str) -> bool:
    """Whether a class, by its qualified name, has `base` among its bases or theirs."""
    module, _, own = name.rpartition(".")
    if not _first_party(module) or file_of(module) is None:
        return False
    bases = _read(module).bases.get(own, ())
    return base in bases or any(_derives(b, base) for b in bases)


def _read(name: str) -> Module:
    file = file_of(name)
    assert file is not None, name
    return parse_module(name, file)


@cache
def parse_module(name: str, file: Path) -> Module:
    """What a module imports and defines, and which calls of `CALLS` it makes.

    Raises:
        ValueError: a call in `CALLS` does not name its package literally.
    """
    code = file.read_bytes()
    data = b"".join(f.read_bytes() for f in _data_beside(file))
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imports: set[str] = set()
    names: dict[str, str] = {}
    calls: list[tuple[ast.Call, str]] = []
    classes: dict[str, list[ast.expr]] = {}
    for node, inside in _nodes_that_run(ast.parse(code)):
        if isinstance(node, ast.Import):
            imports.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(p for p in (above, node.module or "") if p)
            imports.add(base)
            imports.update(f"{base}.{a.name}" for a in node.names)
            names |= {a.asname or a.name: f"{base}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Call):
            calls.append((node, inside))
        elif isinstance(node, ast.ClassDef):
            classes[node.name] = node.bases

    def qualified(expression: ast.expr, inside: str = "") -> str:
        """The name of a class: `Base` of both `Base` and `Base[T]`, the class itself of `cls`."""
        if isinstance(expression, ast.Subscript):
            expression = expression.value
        text = ast.unparse(expression)
        return names.get(text, f"{name}.{inside if text == 'cls' else text}")

    def found() -> Iterator[Call]:
        for node, inside in calls:
            function = names.get(node.func.id, "") if isinstance(node.func, ast.Name) else ""
            where, _, function = function.rpartition(".")
            if where == DISCOVERY and function in CALLS:
                package, base = node.args[:2]
                if not isinstance(package, ast.Constant):
                    raise ValueError(
                        f"{name}, line {node.lineno}: {ast.unparse(node)} must name its package"
                        " literally, because fingerprints read it there."
                    )
                yield Call(function, str(package.value), qualified(base, inside))

    return Module(
        hashlib.sha256(code + data).hexdigest(),
        tuple(sorted(m for m in imports if _first_party(m))),
        tuple(found()),
        {c: tuple(qualified(b) for b in bases) for c, bases in classes.items()},
    )


def _data_beside(file: Path) -> list[Path]:
    """The templates and style sheets that have a module's name: `pages.css` for `pages.py`."""
    return sorted(f for f in file.parent.glob(f"{file.stem}.*") if f.suffix in DATA_SUFFIXES)


def _nodes_that_run(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """All nodes but those under `if TYPE_CHECKING:`, each with the name of the class around it."""
    waiting = [(tree, "")]
    while waiting:
        node, inside = waiting.pop()
        yield node, inside
        if isinstance(node, ast.ClassDef):
            inside = node.name
        only_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        children = node.orelse if only_types else ast.iter_child_nodes(node)  # type: ignore[attr-defined]
        waiting += [(child, inside) for child in children]


def file_of(module: str) -> Path | None:
    """The source file of a first-party module; None where there is none, as for a class."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _first_party(module: str) -> bool:
    return module.split(".")[0] in FIRST_PARTY


def _dataclasses(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for v in value.values():
            yield from _dataclasses(v)
    elif isinstance(value, tuple | list):
        for v in value:
            yield from _dataclasses(v)
    elif is_dataclass(value) and not isinstance(value, type):
        yield value
        for f in fields(value):
            if f.metadata.get("fingerprint", True):
                yield from _dataclasses(getattr(value, f.name))


def _kinds(value: Any) -> Iterator[str]:
    """The kind of an object whose class fixes it, as in `kind: Literal["image"] = "image"`, and the
    kinds of the features that Transform may make of it.
    """
    if isinstance(value, Input):
        yield from value.feature_kinds
    for f in fields(value):
        if f.name == "kind" and f.default == value.kind:
            yield str(f.default)
