"""HTML pages: one shell (`pages.html.jinja`), one style sheet (`pages.css`), shared macros.

A module that writes a page has its Jinja template beside it, under its own name:
`statistics_page.py` has `statistics_page.html.jinja`. Templates escape every value, so a page
shows `<script>` in a column name as text. No page loads anything from the network,
and its content security policy forbids scripts, except one that a page names by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

ROOT = Path(__file__).resolve().parents[1]
"""Templates name each other from here, as in `serving/pages.html.jinja`."""


POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"
"""Of every page, besides its own style. Pictures are part of a page (`data:`)."""


def render(module: str, page: object) -> str:
    """The template beside a module, filled in.

    module: its `__name__`. page: what the template calls `page`; the shell reads `page.title`.

    Raises:
        jinja2.TemplateError: there is no such template, or it reads what `page` does not have.
    """
    template = _environment().get_template(f"{module.replace('.', '/')}.html.jinja")
    return template.render(page=page) + "\n"


def marked(text: str, mark: str) -> list[tuple[bool, str]]:
    """The parts of a text, each with whether it stands between two marks.

    Example: `a **b** c` with the mark `**` gives (False, "a "), (True, "b"), (False, " c").
    """
    parts = text.split(mark)
    if len(parts) % 2 == 0:  # the last mark has no partner: it is text
        parts[-2:] = [mark.join(parts[-2:])]
    return [(i % 2 == 1, part) for i, part in enumerate(parts)]


@cache
def style() -> str:
    """The style sheet of every page."""
    return Path(ROOT, "serving", "pages.css").read_text(encoding="utf-8")


@cache
def policy(script: str = "") -> str:
    """The content security policy of a page: browsers load and send nothing.

    script: the only one that they run, if it is in the page as it is.
    """
    script_source = f"; script-src {_hash(script)}" if script else ""
    return f"{POLICY}; style-src {_hash(style())}{script_source}"


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(ROOT),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["marked"] = marked
    environment.globals["style"] = Markup(style())
    environment.globals["policy"] = policy()
    return environment
