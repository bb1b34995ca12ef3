"""Sharing schemes: how tasks share trunks. One file per scheme."""
