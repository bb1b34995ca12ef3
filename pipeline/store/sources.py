"""Which first-party modules a result depends on, read from import statements and a few calls.

All imports count, including those inside functions, except imports under `if TYPE_CHECKING:`, which
do not run. Some calls of `models.discovery` import modules that no statement names:

- `part("package", Base, kind)` imports `package.<kind>`. It adds these modules for the known kinds,
  or for all kinds of the package if it has none of the known ones. Example: for a stage whose only
  task is binary, `part("models.tasks.heads", …)` adds `models.tasks.heads.binary`.
- `choice("package", Base)` and `methods("package", Base)` import a whole package, to make objects
  from text. If an object of type `Base` is known, they add nothing, because its module is already
  part of the key. Otherwise the text may name any subclass, so they add the modules of the known
  kinds, or of all subclasses.

What is known are the parameters of the stage and what it `uses`.
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
from pipeline.store.kept_parses import KeptParses

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARTY = ("components", "models", "serving", "pipeline")
DATA_SUFFIXES = (".css", ".jinja")
CALLS = frozenset({"models.discovery.part", "models.discovery.choice", "models.discovery.methods"})


@dataclass(frozen=True)
class Known:
    """Types and kinds of known objects.

    modules: in which their types are defined. bases: qualified names of their types and of all
    bases of these. kinds: values of literal `kind` fields, and kinds of features of inputs.
    """

    modules: frozenset[str]
    bases: frozenset[str]
    kinds: frozenset[str]


@dataclass(frozen=True)
class Call:
    """A call of one of `CALLS`. base: the qualified name of the class in its second argument."""

    function: str
    package: str
    base: str


@dataclass(frozen=True)
class Module:
    """The relevant content of a source file.

    digest: of the file and of the templates and style sheets of the same name.
    bases: by name of a class, the qualified names of its bases.
    """

    digest: str
    imports: tuple[str, ...]
    calls: tuple[Call, ...]
    bases: Mapping[str, tuple[str, ...]]


def known(values: Iterable[Any]) -> Known:
    """Collect types and kinds of dataclasses, also of those in tuples, lists and mappings."""
    parts = [p for value in values for p in _dataclasses(value)]
    types = {base for p in parts for base in type(p).__mro__ if _first_party(base.__module__)}
    return Known(
        modules=frozenset(type(p).__module__ for p in parts if _first_party(type(p).__module__)),
        bases=frozenset(f"{t.__module__}.{t.__qualname__}" for t in types),
        kinds=frozenset(kind for p in parts for kind in _kinds(p)),
    )


@cache
def sources(start: frozenset[str], objects: Known) -> Mapping[str, str]:
    """Digests of the modules in `start` and of all first-party modules that they lead to.

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
    _kept(ROOT).save()
    return dict(sorted(digests.items()))


def _imported_by(call: Call, objects: Known) -> list[str]:
    """The modules that a call adds."""
    if call.function != "part" and call.base in objects.bases:
        return []
    modules = list(_family(call))
    return [m for m in modules if m.rpartition(".")[2] in objects.kinds] or modules


def _family(call: Call) -> Iterator[str]:
    """The modules of the package that define a subclass of the base."""
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
    """Whether a class, given by its qualified name, is a subclass of `base`."""
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
    """Read imports, classes and calls of `CALLS` from a source file.

    Raises:
        ValueError: a call in `CALLS` does not name its package literally.
    """
    code, kept = file.read_bytes(), _kept(ROOT)
    data = b"".join(f.read_bytes() for f in _data_files(file.parent).get(file.stem, ()))
    key = hashlib.sha256(f"{_own_digest()} {name} {file.name} ".encode() + code).hexdigest()
    if (found := kept.get(key)) is None:
        found = _parsed(name, file.name, code)
        kept.add(key, found)
    imports, calls, bases = found
    return Module(
        hashlib.sha256(code + data).hexdigest(),
        tuple(imports),
        tuple(Call(*call) for call in calls),
        {name: tuple(of_class) for name, of_class in bases.items()},
    )


@cache
def _kept(root: Path) -> KeptParses:
    return KeptParses(root / "pipeline" / "store" / "sources.py")


@cache
def _own_digest() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _parsed(
    name: str, file: str, code: bytes
) -> tuple[list[str], list[tuple[str, str, str]], dict[str, list[str]]]:
    """The fields of a `Module` but for its digest, as JSON has them. file: its name."""
    package = name if file == "__init__.py" else name.rpartition(".")[0]
    imports: set[str] = set()
    names: dict[str, str] = {}
    statements = list(_statements(ast.parse(code), ""))
    for node, _ in statements:
        if isinstance(node, ast.Import):
            imports.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(p for p in (above, node.module or "") if p)
            imports.add(base)
            imports.update(f"{base}.{a.name}" for a in node.names)
            names |= {a.asname or a.name: f"{base}.{a.name}" for a in node.names}

    def qualified(expression: ast.expr, inside: str = "") -> str:
        """The qualified name of a class in `Base`, `Base[T]` or, inside of a class, `cls`."""
        if isinstance(expression, ast.Subscript):
            expression = expression.value
        text = expression.id if isinstance(expression, ast.Name) else ast.unparse(expression)
        return names.get(text, f"{name}.{inside if text == 'cls' else text}")

    def discovery_calls() -> Iterator[tuple[str, str, str]]:
        for node, inside in _calls(statements):
            package, base = [*node.args, None, None][:2]
            if names.get(ast.unparse(node.func)) not in CALLS:
                continue
            if not isinstance(package, ast.Constant) or base is None:
                raise ValueError(
                    f"{name}, line {node.lineno}: {ast.unparse(node)} must name its package"
                    " literally, because fingerprints read it there."
                )
            function = names[ast.unparse(node.func)].rpartition(".")[2]
            yield function, str(package.value), qualified(base, inside)

    classes = [node for node, _ in statements if isinstance(node, ast.ClassDef)]
    return (
        sorted(m for m in imports if _first_party(m)),
        list(discovery_calls()) if CALLS.intersection(names.values()) else [],
        {c.name: [qualified(b) for b in c.bases] for c in classes},
    )


def _statements(parent: ast.AST, inside: str) -> Iterator[tuple[ast.AST, str]]:
    """All statements except those under `if TYPE_CHECKING:`, with the name of the class around."""
    children = ast.iter_child_nodes(parent)
    if isinstance(parent, ast.If) and ast.unparse(parent.test).endswith("TYPE_CHECKING"):
        children = iter(parent.orelse)
    for child in children:
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child, inside
            yield from _statements(child, child.name if isinstance(child, ast.ClassDef) else inside)


def _calls(statements: Iterable[tuple[ast.AST, str]]) -> Iterator[tuple[ast.Call, str]]:
    """All calls in the expressions of statements, with the name of the class around."""
    for statement, inside in statements:
        for child in ast.iter_child_nodes(statement):
            if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                calls = (node for node in ast.walk(child) if isinstance(node, ast.Call))
                yield from ((call, inside) for call in calls)


@cache
def _data_files(directory: Path) -> Mapping[str, list[Path]]:
    """Templates and style sheets by the name of their module: `pages.css` for `pages.py`."""
    files: dict[str, list[Path]] = {}
    for file in sorted(directory.iterdir()):
        if file.suffix in DATA_SUFFIXES:
            files.setdefault(file.name.partition(".")[0], []).append(file)
    return files


def file_of(module: str) -> Path | None:
    """The source file of a first-party module; None for other names, such as those of classes."""
    return _file_in(ROOT, module)


@cache
def _file_in(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def forget() -> None:
    """Forget what was read, because source files have changed."""
    for function in (sources, parse_module, _data_files, _file_in, _kept):
        function.cache_clear()


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
    """The kind of an object, if its class determines it: `kind: Literal["image"] = "image"`. For an
    input, also the kinds of features that it can have.
    """
    if isinstance(value, Input):
        yield from value.feature_kinds
    for f in fields(value):
        if f.name == "kind" and f.default == value.kind:
            yield str(f.default)
