"""`python -m pipeline.cli` is `rootstock`."""

from pipeline.cli.main import command

command()
