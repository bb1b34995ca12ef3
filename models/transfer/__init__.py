"""How pretrained weights adapt: one transfer mode per file."""
