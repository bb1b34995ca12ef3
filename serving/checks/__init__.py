"""Checks of any server with TF Serving's APIs, given its URLs: the embedded one or TF Serving.

`load` measures throughput and latency, `conformance` compares responses with TF Serving's
documentation, and `fuzz` sends malformed requests.
"""
