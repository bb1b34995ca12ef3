"""Examples for Classify and Regress, and signatures that these refuse.

Expected results are those of `http_rest_api_handler_test.cc`, `http_rest_api_util_test.cc`,
`json_tensor_test.cc` and `tensorflow_model_server_test.py`, and of the sources that they test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import inf, nan

from tests.tf_serving.rest_case import CLASSIFY, PREDICT, REGRESS, RestCase


def cases() -> Iterator[RestCase]:
    yield from _examples()
    yield from _odd_signatures()


def _examples() -> Iterator[RestCase]:
    for path, body, expected in (
        (REGRESS, {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}, [42.0]),
        (REGRESS, {"signature_name": "regress_x_to_y", "examples": [{"x": [2.0]}]}, [3.0]),
        (REGRESS, {"signature_name": "regress_x_to_y2", "examples": [{"x": 2.0}] * 2}, [4.0, 4.0]),
        (REGRESS, {"signature_name": "regress_x_to_y", "examples": [{"x": 1e300}]}, [inf]),
        (REGRESS, {"signature_name": "regress_x_to_y", "examples": [{"x": 2**70}]}, [2.0**69]),
        (REGRESS, {"signature_name": "regress_x_to_y", "examples": [{"x": nan}]}, [nan]),
    ):
        yield RestCase(path, json.dumps(body).encode(), {"results": expected})
        for target in ("/versions/123", "/labels/stable"):
            there = path.replace(":", f"{target}:")
            yield RestCase(there, json.dumps(body).encode(), {"results": expected})
    tf2 = REGRESS.replace("two", "two_tf2")
    half = b'{"signature_name": "%s", "examples": [{"x": 20.0}]}'
    yield RestCase(tf2, half % b"regress_x_to_y", {"results": [12.0]})
    for path in (PREDICT, tf2):
        classify = path.rpartition(":")[0] + ":classify"
        yield RestCase(classify, half % b"classify_x_to_y", {"results": [[["", 12.0]]]})
    dos, tres = ["dos", "uno"], ["tres", "cuatro"]
    both = [{"class": dos, "score": [2.0, 0.1]}, {"class": tres, "score": [3.0, 4.0]}]
    rows = [[["dos", 2.0], ["uno", 0.1]], [["tres", 3.0], ["cuatro", 4.0]]]
    for body, expected in (
        ({"examples": both}, rows),
        ({"signature_name": "", "examples": both}, rows),
        ({"signature_name": "no_method", "examples": both}, rows),
        ({"signature_name": "classes_only", "examples": both[:1]}, [[["dos", 0.0], ["uno", 0.0]]]),
        ({"signature_name": "scores_only", "examples": both[:1]}, [[["", 2.0], ["", 0.1]]]),
        ({"context": both[0], "examples": [{}, {}]}, [rows[0], rows[0]]),
        ({"context": both[0], "examples": [{}, both[1]]}, rows),
        ({"context": {"score": [7.0, 8.0]}, "examples": both}, rows),
        ({"context": {}, "examples": both}, rows),
    ):
        yield RestCase(CLASSIFY, json.dumps(body).encode(), {"results": expected})
    ages = CLASSIFY.replace("classify", "regress")
    for values, total in (("[1, true]", 2.0), ("[true, false]", 1.0), ("[20, -1]", 19.0)):
        for form in ('"examples": [{"age": %s}]', '"context": {"age": %s}, "examples": [{}]'):
            body = f'{{"signature_name": "ages", {form % values}}}'
            yield RestCase(ages, body.encode(), {"results": [total]})
    for values, total in (('"age": [1, 2], "age": [3, 4]', 7.0), ('"age": []', 0.0)):
        body = f'{{"signature_name": "ages", "examples": [{{{values}}}]}}'
        yield RestCase(ages, body.encode(), {"results": [total]})
    for body, message in (
        (b'{"signature_name": ["hello"], "examples": [{}]}', "'signature_name' key must be a str"),
        (b'{"context": [{"names": ["foo"]}]}', "Example must be JSON object but got JSON Array"),
        (b'{"context": null, "examples": [{}]}', "Example must be JSON object but got JSON Null"),
        (b'{"examples": {"names": ["foo"]}}', "Expecting 'examples' value to be an list/array"),
        (b'{"examples": [[{"names": ["foo"]}]]}', "Example must be JSON object but got JSON Array"),
        (b'{"examples": [true]}', "Example must be JSON object but got JSON True"),
        (
            b'{"examples": [{"names": [10, null]}]}',
            "names has element with unexpected JSON type: N",
        ),
        (b'{"examples": [{"names": [10, 10.0]}]}', "feature: names expecting type: int64"),
        (b'{"examples": [{"names": [10.0, 10]}]}', "feature: names expecting type: float"),
        (b'{"examples": [{"names": ["a", 10]}]}', "feature: names expecting type: bytes"),
        (b'{"examples": [{"names": [1.5, true]}]}', "feature: names expecting type: float"),
        (b'{"examples": [{"names": [10, {"test": 10}]}]}', "unexpected JSON type: Object"),
        (
            b'{"examples": [{"names": [[10], 20]}]}',
            "names has element with unexpected JSON type: A",
        ),
        (b'{"examples": [{"names": {"b64": "*"}}]}', "Unable to base64 decode"),
        (b'{"examples": [{"names": [20, 18446744073709551603]}]}', "Only int64_t is supported"),
        (b'{"examples": [{"a": null, "a": 1}]}', "a has element with unexpected JSON type: Null"),
        (b'{"examples": []}', "'examples' value is an empty array"),
        (b"{}", "When method is classify, key 'examples' is expected and was not found"),
        (b'{"instances": [1]}', "key 'examples' is expected and was not found"),
        (b"", "JSON Parse error: The document is empty"),
        (b"[]", "JSON Value: [] Is not object"),
        (b'{"examples": [{"class": "a", "score": 1.0}]}', "Name: <unknown>"),
        (b'{"examples": [{}]}', "Name: <unknown>"),
        (b'{"examples": [{"class": ["a", "b"], "score": ["c", "d"]}]}', "Name: <unknown>"),
        (
            b'{"signature_name": "nobody", "examples": [{}]}',
            "signature was found with the name: no",
        ),
    ):
        yield RestCase(CLASSIFY, body, message, 400)
    yield RestCase(REGRESS, b'{"examples": [{"x": 1.0}]}', "No regression inputs found in", 400)
    yield RestCase("/v1/models/foo:classify", b'{"examples": [{}]}', "Servable not found", 404)
    yield RestCase("/v1/models/foo:classify", b'{"examples": 1}', "list/array", 400)


def _odd_signatures() -> Iterator[RestCase]:
    rank = "Expected Tensor shape: [batch_size num_classes] but got "
    shape = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
    for signature, message in (
        ("scores_rank_1", f"{rank}[2]"),
        ("scores_rank_3", f"{rank}[2,1,10]"),
        ("scores_double", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("scores_text", "Expected scores Tensor of DT_FLOAT. Got: DT_STRING"),
        ("scores_batch", "Expected scores output batch size of 2. Got: 7"),
        ("scores_scalar", f"{rank}[]"),
        ("classes_rank_1", f"{rank}[2]"),
        ("classes_numbers", "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        ("classes_batch", "Expected classes output batch size of 2. Got: 7"),
        ("unequal", "Tensors class and score should match in dim_size(1). Got 3 vs. 2"),
        ("three_outputs", "Expected one or two output Tensors, found 3"),
        ("other_names", "outputs to contain at least one of"),
        ("outputs_two", "outputs to contain at least one of"),
        ("two_inputs", "Expected one input Tensor."),
        ("other_input", "No classification inputs found in SignatureDef"),
    ):
        body = f'{{"signature_name": "{signature}", "examples": [{{}}, {{}}]}}'
        yield RestCase("/v1/models/odd_outputs:classify", body.encode(), message, 400)
    for signature, message in (
        ("outputs_rank_3", f"{shape}[2,1,10]"),
        ("outputs_two", f"{shape}[2,2]"),
        ("outputs_double", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        ("outputs_text", "Expected output Tensor of DT_FLOAT.  Got: DT_STRING"),
        ("outputs_batch", "Input batch size did not match output batch size: 2 vs. 7"),
        ("outputs_scalar", f"{shape}[]"),
        ("outputs_and_more", "Expected one output Tensor."),
        ("scores_rank_1", "No regression outputs found in SignatureDef"),
        ("two_inputs", "Expected one input Tensor."),
        ("other_input_regress", "No regression inputs found in SignatureDef"),
    ):
        body = f'{{"signature_name": "{signature}", "examples": [{{}}, {{}}]}}'
        yield RestCase("/v1/models/odd_outputs:regress", body.encode(), message, 400)
