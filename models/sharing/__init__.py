"""How tasks share trunks. One file per scheme."""
