"""A small server with TF Serving's REST and gRPC interface: `python -m serving.server`.

`rest` and `grpc_api` turn requests into calls of `models`, which keeps the versions of each model
and polls for new ones; `saved_model` runs one version; `codec` is JSON to arrays and back.
"""
