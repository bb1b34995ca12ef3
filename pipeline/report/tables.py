"""Tables, as Markdown, in plain text or on a page."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import TextWrapper

UNLIMITED = 10_000
"""Characters in a line of a table that nobody watches: no cell is broken."""

NARROW = 20
"""Columns of at most so many characters are broken last, and never inside a word."""

GAP = 2
"""Spaces between columns."""


@dataclass(frozen=True)
class Table:
    """Cells as text. rows: at least one, as wide as the header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def text(self, piped: int = UNLIMITED) -> str:
        """The table as plain text; long cells are broken to fit the terminal.

        If it is too narrow for whole words, lines are longer than it: nothing is cut off.

        piped: the width if stdout is no terminal.
        """
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        widths = self._widths(terminal_width(piped))
        table = RichTable(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for name, width in zip(self.header, widths, strict=True):
            table.add_column(Text(name), width=width, overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        console = Console(width=sum(widths) + GAP * len(widths), color_system=None)
        with console.capture() as capture:
            console.print(table)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def plain(self) -> Table:
        """The table without the marks of Markdown in its cells."""
        return Table([*map(_plain, self.header)], [[*map(_plain, row)] for row in self.rows])

    def _widths(self, available: int) -> list[int]:
        """Characters for each column: the widest give way first, and narrow cells last."""
        from rich.cells import cell_len

        columns = list(zip(*self.rows, strict=True))
        cells = [max(map(cell_len, column)) for column in columns]
        widths = [max(w, cell_len(name)) for w, name in zip(cells, self.header, strict=True)]
        words = [
            min(NARROW, max(cell_len(word) for text in column for word in text.split() or [""]))
            for column in zip(self.header, *self.rows, strict=True)
        ]
        whole = [max(w, min(cell, NARROW)) for w, cell in zip(words, cells, strict=True)]
        too_many = sum(widths) + GAP * (len(widths) - 1) - available
        for least in (whole, words):
            while too_many > 0:
                can_shrink = [c for c, width in enumerate(widths) if width > least[c]]
                if not can_shrink:
                    break
                widths[max(can_shrink, key=widths.__getitem__)] -= 1
                too_many -= 1
        return widths


def terminal_width(piped: int = UNLIMITED) -> int:
    """Characters in a line of stdout. piped: if it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else piped


def prose(text: str, indent: int = 0) -> str:
    """Text with its long lines broken between words to fit the terminal.

    Lines that begin with a space stay whole, so that commands in them can be copied.

    indent: where broken lines go on; then no line stays whole.
    """
    wrapper = TextWrapper(
        terminal_width(),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(
        line if line.startswith(" ") and not indent else wrapper.fill(line)
        for line in text.splitlines()
    )


def as_markdown(parts: Iterable[str | Table]) -> str:
    """Paragraphs in Markdown and tables, as one document."""
    shown = (part if isinstance(part, str) else part.markdown() for part in parts)
    return "\n\n".join(shown) + "\n"


def as_text(parts: Iterable[str | Table], piped: int) -> str:
    """The same for a terminal, without the marks of Markdown. piped: see `Table.text`."""
    shown = (
        prose(_plain(p.lstrip("# "))) if isinstance(p, str) else p.plain().text(piped)
        for p in parts
    )
    return "\n\n".join(shown) + "\n"


def _plain(text: str) -> str:
    return text.replace("**", "").replace("`", "")
