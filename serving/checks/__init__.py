"""What any server that speaks TF Serving's APIs can be put through, by URL: TF Serving as well as
the embedded one. `load` measures it, `conformance` compares it with what is documented, `fuzz`
sends it what it must refuse.
"""
