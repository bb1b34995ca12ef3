"""Transfer modes: how pretrained weights are adapted. One mode per file."""
