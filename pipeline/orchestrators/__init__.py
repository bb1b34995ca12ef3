"""Orchestrators that a spec compiles to: a file is a choice of `rootstock compile --to`."""
