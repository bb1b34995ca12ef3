"""The methods that a spec can choose from, as a list to read: made of their own docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any

from components.errors import RootstockError
from models.balancing.base import Balancing
from models.discovery import methods
from models.sharing.base import Sharing
from models.transfer.base import Transfer
from models.trunks.base import Trunk

FAMILIES: dict[str, tuple[str, type[Any]]] = {
    "trunk": ("models.trunks", Trunk),
    "sharing": ("models.sharing", Sharing),
    "balancing": ("models.balancing", Balancing),
    "transfer": ("models.transfer", Transfer),
}
"""By the key of `model` in a spec that takes them: package and base class."""


@dataclass(frozen=True)
class Method:
    """A method as a reader meets it. family: key of `model`. source: its title and paper."""

    family: str
    name: str
    cls: type[Any]

    @property
    def source(self) -> str:
        """The first line of its module's docstring."""
        return (sys.modules[self.cls.__module__].__doc__ or "").partition("\n\n")[0].strip()

    @property
    def description(self) -> str:
        """Its class's docstring."""
        return inspect.cleandoc(self.cls.__doc__ or "")

    @property
    def parameters(self) -> dict[str, Any]:
        """Defaults of its parameters; None where one must be given."""
        found = {}
        for field in dataclasses.fields(self.cls):
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            found[field.name] = None if default is dataclasses.MISSING else default
        found.pop("name")
        return found

    def text(self) -> str:
        """All there is to say, in Markdown."""
        given = json.dumps({"name": self.name} | self.parameters, default=dataclasses.asdict)
        return f"{self.source}\n\n{self.description}\n\n    {self.family}: {given}"


def all_methods() -> list[Method]:
    """Every method of every family."""
    return [
        Method(family, name, cls)
        for family, (package, base) in FAMILIES.items()
        for name, cls in methods(package, base).items()
    ]


def methods_list() -> str:
    """One line for each."""
    found = all_methods()
    width = max(len(m.name) for m in found)
    lines = []
    for family in FAMILIES:
        lines += ["", f"model.{family}:"]
        lines += [f"  {m.name:{width}}  {m.source}" for m in found if m.family == family]
    return "\n".join(lines[1:])


def described(name: str) -> str:
    """All about the methods of that name.

    Raises:
        RootstockError: there is none.
    """
    found = [m for m in all_methods() if m.name == name]
    if not found:
        known = ", ".join(sorted({m.name for m in all_methods()}))
        raise RootstockError(f"there is no method {name!r}. Expected one of: {known}.")
    return "\n\n".join(m.text() for m in found)


def page() -> str:
    """docs/methods.md."""
    parts = [
        "# Methods",
        "What `model` in a spec can choose from. `rootstock methods --markdown > docs/methods.md`"
        " writes this page. A parameter that is `null` has no default.",
    ]
    for family in FAMILIES:
        parts.append(f"## model.{family}")
        for m in all_methods():
            if m.family == family:
                parts += [f"### {m.name}", m.text()]
    return "\n\n".join(parts) + "\n"
