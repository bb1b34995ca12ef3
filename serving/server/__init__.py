"""A small server with TF Serving's REST and gRPC interface: `python -m serving.server`.

`api` turns requests into calls of `models`, which polls for new versions. `served_model` keeps the
versions of one model in memory, and `saved_model` runs one version.
"""
