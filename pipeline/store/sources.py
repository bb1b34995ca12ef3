"""Which first-party modules a result depends on, read from import statements and a few calls.

An import counts wherever it stands, inside a function too, but not under `if TYPE_CHECKING:`: types
are no code that runs. Two calls of `models.discovery` import modules that no statement names:

- `part("package", Base, kind)` imports `package.<kind>`. It adds those modules for the kinds that
  occur among the known values, or all modules of the package when none of its kinds occurs.
- `choice("package", Base)` and `methods("package", Base)` import a whole package, to turn text into
  objects. Objects that are known already bring their own modules; when no known value is a `Base`,
  any class of the package may come out of a file, so all of its modules are added.
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

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARTY = ("components", "models", "serving", "pipeline")
DATA_SUFFIXES = (".css", ".jinja")
CALLS = ("part", "choice", "methods")
DISCOVERY = "models.discovery"


@dataclass(frozen=True)
class Known:
    """What is known of the objects that a stage works with: its parameters and what it `uses`.

    modules: that define their types. bases: qualified names of those types and of all their bases.
    kinds: the values of their literal `kind` fields.
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
    """What a source file says. digest: of its content, and of what it reads beside itself."""

    digest: str
    imports: tuple[str, ...]
    calls: tuple[Call, ...]


def known(values: Iterable[Any]) -> Known:
    """Collect what `Known` holds from dataclasses, inside of tuples, lists and mappings too."""
    parts = [p for value in values for p in _dataclasses(value)]
    types = {base for p in parts for base in type(p).__mro__ if _first_party(base.__module__)}
    return Known(
        modules=frozenset(type(p).__module__ for p in parts if _first_party(type(p).__module__)),
        bases=frozenset(f"{t.__module__}.{t.__qualname__}" for t in types),
        kinds=frozenset(kind for p in parts for kind in _literal_kind(p)),
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
        module = read_module(name, file)
        digests[name] = module.digest
        waiting += module.imports
        for call in module.calls:
            waiting += _imported_by(call, objects)
    return dict(sorted(digests.items()))


def _imported_by(call: Call, objects: Known) -> list[str]:
    """The modules that a call imports for these objects."""
    if call.function == "part":
        modules = list(_modules_in(call.package))
        chosen = [m for m in modules if m.rpartition(".")[2] in objects.kinds]
        return chosen or modules
    return [] if call.base in objects.bases else list(_modules_in(call.package, deep=True))


def _modules_in(package: str, deep: bool = False) -> Iterator[str]:
    """The modules of a package; with `deep` those that `models.discovery.methods` looks into."""
    for file in sorted(ROOT.joinpath(*package.split(".")).iterdir()):
        if file.suffix == ".py" and file.stem != "__init__":
            yield f"{package}.{file.stem}"
        elif deep and (file / "__init__.py").is_file() and file.name not in PARTS:
            yield from _modules_in(f"{package}.{file.name}", deep)


@cache
def read_module(name: str, file: Path) -> Module:
    """What a module imports and which calls of `CALLS` it makes.

    Raises:
        ValueError: a call in `CALLS` does not name its package literally.
    """
    code = file.read_bytes()
    data = b"".join(f.read_bytes() for f in _data_beside(file))
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imports: set[str] = set()
    names: dict[str, str] = {}
    calls: list[ast.Call] = []
    for node in _nodes_that_run(ast.parse(code)):
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
            calls.append(node)
    own = tuple(sorted(m for m in imports if _first_party(m)))
    found = [c for node in calls if (c := _call(name, node, names)) is not None]
    return Module(hashlib.sha256(code + data).hexdigest(), own, tuple(found))


def _data_beside(file: Path) -> list[Path]:
    """The templates and style sheets that have a module's name: `pages.css` for `pages.py`."""
    return sorted(f for f in file.parent.glob(f"{file.stem}.*") if f.suffix in DATA_SUFFIXES)


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _call(module: str, node: ast.Call, names: Mapping[str, str]) -> Call | None:
    """The call, if it is one in `CALLS`. names: qualified names by the names they go by here."""
    function = names.get(node.func.id, "") if isinstance(node.func, ast.Name) else ""
    where, _, function = function.rpartition(".")
    if where != DISCOVERY or function not in CALLS:
        return None
    package = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if not isinstance(package, str):
        raise ValueError(
            f"{module}, line {node.lineno}: {ast.unparse(node)} must name its package literally,"
            " because fingerprints read it there."
        )
    base = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
    return Call(function, package, names.get(base, f"{module}.{base}"))


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


def _literal_kind(value: Any) -> Iterator[str]:
    """The kind of an object whose class fixes it: `kind: Literal["image"] = "image"`."""
    for f in fields(value):
        if f.name == "kind" and f.default == value.kind:
            yield str(f.default)
