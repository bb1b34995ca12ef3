"""The methods that a spec can choose from, described by their own docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import textwrap
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from components.errors import RootstockError, did_you_mean
from models.balancing.base import Balancing
from models.discovery import methods
from models.pretraining.language_model import LanguageModel
from models.sharing.base import Sharing
from models.transfer.base import Transfer
from models.trunks.base import Trunk
from pipeline.cli.docstrings import inherited_descriptions, key_descriptions

FAMILIES: dict[str, tuple[str, type[Any]]] = {
    "trunk": ("models.trunks", Trunk),
    "sharing": ("models.sharing", Sharing),
    "balancing": ("models.balancing", Balancing),
    "pretraining": ("models.pretraining", LanguageModel),
    "transfer": ("models.transfer", Transfer),
}
"""Package and base class, by the key of `model` in a spec."""


@dataclass(frozen=True)
class Method:
    """A method. family: key of `model`."""

    family: str
    name: str
    cls: type[Any]

    @property
    def source(self) -> str:
        """Its title and paper: the first paragraph of its module's docstring."""
        return (sys.modules[self.cls.__module__].__doc__ or "").partition("\n\n")[0].strip()

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.cls.__doc__ or "")

    @property
    def shared_parameters(self) -> list[str]:
        """Descriptions of the parameters that all methods of the family have, from its base."""
        own = key_descriptions(self.description, self.parameters)
        inherited = inherited_descriptions(self.cls, self.parameters)
        return [f"{name}: {text}" for name, text in inherited.items() if name not in own]

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults of its parameters; None for a required one."""
        defaults = {}
        for field in dataclasses.fields(self.cls):
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            defaults[field.name] = None if default is dataclasses.MISSING else default
        defaults.pop("name")
        return defaults

    def text(self) -> str:
        """Title, description and defaults, in Markdown."""
        example = json.dumps({"name": self.name} | self.parameters, default=dataclasses.asdict)
        shared = [textwrap.fill(p, 96, subsequent_indent="    ") for p in self.shared_parameters]
        parts = [self.source, self.description, "\n".join(shared), f"    {self.family}: {example}"]
        return "\n\n".join(p for p in parts if p)


def all_methods() -> list[Method]:
    return [
        Method(family, name, cls)
        for family, (package, base) in FAMILIES.items()
        for name, cls in methods(package, base).items()
    ]


def methods_list() -> str:
    width = max(len(m.name) for m in all_methods())
    lines = []
    for family, of_family in groupby(all_methods(), key=lambda m: m.family):
        lines += ["", f"model.{family}:"]
        lines += [f"  {m.name:{width}}  {m.source}" for m in of_family]
    return "\n".join(lines[1:])


def described(name: str) -> str:
    """The description of the methods of that name.

    Raises:
        RootstockError: there is none.
    """
    matches = [m for m in all_methods() if m.name == name]
    if not matches:
        known = sorted({m.name for m in all_methods()})
        message = f"There is no method {name!r}.{did_you_mean(name, known)}"
        raise RootstockError(f"{message} Expected one of: {', '.join(known)}.")
    return "\n\n".join(m.text() for m in matches)


def page() -> str:
    """The page docs/methods.md."""
    parts = [
        "# Methods",
        "The methods that `model` in a spec can choose from. A parameter shown as `null` is"
        " required. `rootstock methods --markdown > docs/methods.md` writes this page.",
    ]
    for family, of_family in groupby(all_methods(), key=lambda m: m.family):
        parts.append(f"## model.{family}")
        parts += [f"### {m.name}\n\n{m.text()}" for m in of_family]
    return "\n\n".join(parts) + "\n"
