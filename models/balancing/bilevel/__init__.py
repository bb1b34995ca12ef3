"""Methods that choose task weights by their effect on held-out rows (bilevel optimisation)."""
