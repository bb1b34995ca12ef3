"""A hook of MkDocs, which `make docs` runs.

The site also has pages that lie outside of docs/. Links that work in the repository work on it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "LICENSE",
} | {
    path: path
    for pattern in ("examples/*/*.md", "examples/*/*.ipynb", "benchmarks/results/*.md")
    for path in sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob(pattern))
}
"""Files of the repository, and where the site has them."""
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository become links between pages of the site."""
    place = page.file.src_uri
    here = {v: k for k, v in OUTSIDE.items()}.get(place, f"docs/{place}")

    def on_site(link: re.Match[str]) -> str:
        before, target, after = link.groups()
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        path = OUTSIDE.get(path, path.removeprefix("docs/"))
        return before + posixpath.relpath(path, posixpath.dirname(place) or ".") + after

    return LINK.sub(on_site, markdown)
