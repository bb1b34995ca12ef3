"""Tables, as Markdown, in plain text or on a page."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

UNLIMITED = 10_000
"""Characters in a line of a table that nobody watches: no cell is broken."""

NARROW = 20
"""Columns of at most so many characters are never broken."""


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

        piped: the width if stdout is no terminal.
        """
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, cells in zip(self.header, zip(*self.rows, strict=True), strict=True):
            narrow = max(map(len, cells)) <= NARROW
            table.add_column(Text(name), no_wrap=narrow, overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else piped
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            console.print(table)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())
