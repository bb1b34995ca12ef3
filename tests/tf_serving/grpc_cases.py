"""Requests to the gRPC API and the responses that TF Serving gives.

Expected results are those of `predict_util_test.cc`, `classifier_test.cc`, `regressor_test.cc`,
`multi_inference_test.cc`, `get_model_metadata_impl_test.cc`, `get_model_status_impl_test.cc` and
`tensorflow_model_server_test.py`, and of the sources that they test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import text_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.wire.names import CLASSIFY, MODEL_SERVICE, PREDICTION_SERVICE, REGRESS

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
HALF = "half_plus_two"
_SPEC = 'model_spec {{ name: "{}" version {{ value: 123 }} signature_name: "{}" }}'
_RESPONSES = {
    "Predict": predict_pb2.PredictResponse,
    "Classify": classification_pb2.ClassificationResponse,
    "Regress": regression_pb2.RegressionResponse,
    "MultiInference": inference_pb2.MultiInferenceResponse,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataResponse,
    "GetModelStatus": get_model_status_pb2.GetModelStatusResponse,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigResponse,
}
_REQUESTS = {
    "Predict": predict_pb2.PredictRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}


@dataclass(frozen=True)
class GrpcCase:
    """expected: the response, or a part of the error's details if there is a `code`."""

    method: str
    request: Any
    expected: Any
    code: grpc.StatusCode | None = None

    @property
    def path(self) -> str:
        model = self.method in ("GetModelStatus", "HandleReloadConfigRequest")
        return f"/{MODEL_SERVICE if model else PREDICTION_SERVICE}/{self.method}"

    @property
    def response_class(self) -> Any:
        return _RESPONSES[self.method]


def cases() -> Iterator[GrpcCase]:
    yield from _predict()
    yield from _tensors()
    yield from _counter()
    yield from _inference()
    yield from _odd_signatures()
    yield from _multi_inference()
    yield from _models()


def _case(
    method: str, request: str, expected: str | Any, code: grpc.StatusCode | None = None
) -> GrpcCase:
    """A case whose messages are in the text format."""
    sent = text_format.Parse(request, _REQUESTS[method]())
    if code is None and isinstance(expected, str):
        expected = text_format.Parse(expected, _RESPONSES[method]())
    return GrpcCase(method, sent, expected, code)


def _map(field: str, entries: Mapping[str, str]) -> str:
    return " ".join(f'{field} {{ key: "{k}" value {{ {v} }} }}' for k, v in entries.items())


def _predict() -> Iterator[GrpcCase]:
    spec = f'model_spec {{ name: "{HALF}" }}'
    two, three = "dtype: DT_FLOAT tensor_shape {} float_val: 2", "dtype: DT_FLOAT float_val: 3"
    x = _map("inputs", {"x": two})
    y = _map("outputs", {"y": f"{three} tensor_shape {{}}"})
    answer = f"{_SPEC.format(HALF, 'serving_default')} {y}"
    for request in (
        f"{spec} {x}",
        f"{spec} {_map('inputs', {'x': 'dtype: DT_FLOAT float_val: 2'})}",
        f'{spec} {x} output_filter: "y"',
        f'model_spec {{ name: "{HALF}" version {{ value: 123 }} }} {x}',
        f'model_spec {{ name: "{HALF}" version_label: "stable" }} {x}',
        f'model_spec {{ name: "{HALF}" signature_name: "serving_default" }} {x}',
    ):
        yield _case("Predict", request, answer)
    for signature, output in (("regress_x2_to_y3", "outputs"), ("classify_x2_to_y3", "scores")):
        four = _map("outputs", {output: "dtype: DT_FLOAT tensor_shape {} float_val: 4"})
        named = f'model_spec {{ name: "{HALF}" signature_name: "{signature}" }}'
        yield _case(
            "Predict",
            f"{named} {_map('inputs', {'inputs': two})}",
            f"{_SPEC.format(HALF, signature)} {four}",
        )
    for model in ("half_plus_two", "half_plus_two_tf2", "matrix_half_plus_two"):
        for shape, values in (
            ("dim { size: 3 }", (1, 2, 5)),
            ("dim {size: 2} dim {size: 1}", (1, 2)),
        ):
            tensor = f"dtype: DT_FLOAT tensor_shape {{ {shape} }} "
            sent = _map("inputs", {"x": tensor + " ".join(f"float_val: {v}" for v in values)})
            got = tensor + " ".join(f"float_val: {v / 2 + 2}" for v in values)
            yield _case(
                "Predict",
                f'model_spec {{ name: "{model}" }} {sent}',
                f"{_SPEC.format(model, 'serving_default')} {_map('outputs', {'y': got})}",
            )
    text = 'dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "any_value"'
    both = _map("inputs", {"unknown_key1": text, "unknown_key2": two})
    for request, message, code in (
        (x, "Missing ModelSpec", INVALID),
        (f"model_spec {{}} {x}", "ModelSpec has no name specified.", INVALID),
        (
            f'model_spec {{ name: "test" }} {x}',
            "Servable not found for request: Latest(test)",
            NOT_FOUND,
        ),
        (
            f'model_spec {{ name: "{HALF}" version {{ value: 9 }} }} {x}',
            f"Servable not found for request: Specific({HALF}, 9)",
            NOT_FOUND,
        ),
        (
            f'model_spec {{ name: "{HALF}" version_label: "no" }} {x}',
            "Unrecognized servable version label: no",
            INVALID,
        ),
        (
            f'model_spec {{ name: "{HALF}" signature_name: "no" }} {x}',
            'Serving signature key "no" not found.',
            FAILED_PRECONDITION,
        ),
        (spec, "input size does not match signature: 0!=1 len({}) != len({x}).", INVALID),
        (f"{spec} {both}", "Sent extra: {unknown_key1,unknown_key2}. Missing but requ", INVALID),
        (f"{spec} {_map('inputs', {'z': two})}", "Signature input alias: x(feed name: ", INVALID),
        (
            f"{spec} {_map('inputs', {'x': 'dtype: DT_BOOL bool_val: true'})}",
            "Expects arg[0] to be float but bool is provided",
            INVALID,
        ),
        (
            f'{spec} {_map("inputs", {"x": text})} output_filter: "y"',
            "to be float but string is provided",
            INVALID,
        ),
        (
            f'{spec} {x} output_filter: "output_filter"',
            "output tensor alias not found in signature: output_filter Outputs expected to be in "
            "the set {y}.",
            INVALID,
        ),
        (
            f'{spec} {x} output_filter: "y" output_filter: "y"',
            "duplicate output tensor alias: y",
            INVALID,
        ),
        (f'model_spec {{ name: "{"n" * 3000}" }} {x}', "...TRUNCATED", NOT_FOUND),
    ):
        yield _case("Predict", request, message, code)


def _tensors() -> Iterator[GrpcCase]:
    """Tensors that the model `types` gives back: the field for each type, and how it is filled."""
    for name, dtype, sent, answer in (
        ("float32", "DT_FLOAT", "float_val: [1, 2]", "float_val: [1, 2]"),
        ("float32", "DT_FLOAT", "float_val: 7", "float_val: [7, 7]"),
        ("float32", "DT_FLOAT", "float_val: [1, 2, 3]", "float_val: [1, 2]"),
        ("float32", "DT_FLOAT", "", "float_val: [0, 0]"),
        (
            "float32",
            "DT_FLOAT",
            r'tensor_content: "\000\000\200?\000\000\000@"',
            "float_val: [1, 2]",
        ),
        ("float64", "DT_DOUBLE", "double_val: [1, 2]", "double_val: [1, 2]"),
        ("int32", "DT_INT32", "int_val: [1, -2]", "int_val: [1, -2]"),
        ("int16", "DT_INT16", "int_val: [1, -2]", "int_val: [1, -2]"),
        ("int8", "DT_INT8", "int_val: [1, -2]", "int_val: [1, -2]"),
        ("uint8", "DT_UINT8", "int_val: [1, 255]", "int_val: [1, 255]"),
        ("uint8", "DT_UINT8", "int_val: [300, -1]", "int_val: [44, 255]"),
        ("uint16", "DT_UINT16", "int_val: [1, 65535]", "int_val: [1, 65535]"),
        ("uint32", "DT_UINT32", "uint32_val: [1, 4294967295]", "uint32_val: [1, 4294967295]"),
        ("int64", "DT_INT64", "int64_val: [1, -2]", "int64_val: [1, -2]"),
        (
            "uint64",
            "DT_UINT64",
            "uint64_val: 18446744073709551615",
            "uint64_val: 18446744073709551615",
        ),
        ("bool", "DT_BOOL", "bool_val: [true, false]", "bool_val: [true, false]"),
        ("bool", "DT_BOOL", r'tensor_content: "\001\000"', "bool_val: [true, false]"),
        ("float16", "DT_HALF", "half_val: [15360, 16384]", "half_val: [15360, 16384]"),
        ("bfloat16", "DT_BFLOAT16", "half_val: [16256, 16384]", "half_val: [16256, 16384]"),
        ("complex64", "DT_COMPLEX64", "scomplex_val: [1, 2, 3, 4]", "scomplex_val: [1, 2, 3, 4]"),
        ("complex64", "DT_COMPLEX64", "scomplex_val: [1, 2]", "scomplex_val: [1, 2, 1, 2]"),
        ("complex128", "DT_COMPLEX128", "dcomplex_val: [1, 2, 3, 4]", "dcomplex_val: [1, 2, 3, 4]"),
        ("string", "DT_STRING", r'string_val: ["a", "\377"]', r'string_val: ["a", "\377"]'),
        ("string", "DT_STRING", "", 'string_val: ["", ""]'),
        ("string", "DT_STRING", r'tensor_content: "\001\002abc"', 'string_val: ["a", "bc"]'),
    ):
        sizes = "tensor_shape { dim { size: 2 } }"
        if name == "uint64":
            sizes = "tensor_shape { dim { size: 1 } }"
        head = f"dtype: {dtype} {sizes}"
        spec = f'model_spec {{ name: "types" signature_name: "{name}" }}'
        yield _case(
            "Predict",
            f"{spec} {_map('inputs', {'x': f'{head} {sent}'})}",
            f"{_SPEC.format('types', name)} {_map('outputs', {'y': f'{head} {answer}'})}",
        )
    for tensor in (
        'dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: "1234"',
        "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
        "dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1",
        "tensor_shape {} float_val: 1",
        "dtype: DT_FLOAT_REF tensor_shape {} float_val: 1",
        r'dtype: DT_BOOL tensor_shape { dim { size: 1 } } tensor_content: "\007"',
        r'dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: "\001a"',
    ):
        spec = 'model_spec { name: "types" signature_name: "float32" }'
        request = f"{spec} {_map('inputs', {'x': tensor})}"
        yield _case("Predict", request, "tensor parsing error: x", INVALID)


def _counter() -> Iterator[GrpcCase]:
    """Signatures without inputs, in the order of TF Serving's test."""

    def answer(signature: str, value: int) -> str:
        output = f"dtype: DT_FLOAT tensor_shape {{}} float_val: {value}"
        return f"{_SPEC.format('counter', signature)} {_map('outputs', {'output': output})}"

    delta = _map("inputs", {"delta": "dtype: DT_FLOAT tensor_shape {} float_val: 3"})
    for signature, more, value in (
        ("get_counter", "", 0),
        ("incr_counter", "", 1),
        ("reset_counter", "", 0),
        ("incr_counter", 'output_filter: "output"', 1),
        ("incr_counter_by", delta, 4),
        ("get_counter", "", 4),
    ):
        spec = f'model_spec {{ name: "counter" signature_name: "{signature}" }}'
        yield _case("Predict", f"{spec} {more}", answer(signature, value))
    spec = 'model_spec { name: "counter" signature_name: "get_counter" }'
    message = "input size does not match signature: 1!=0"
    yield _case("Predict", f"{spec} {delta}", message, INVALID)


def _example(features: Mapping[str, Sequence[float | str]]) -> str:
    values = {
        name: f"bytes_list {{ value: {list(items)} }}"
        if isinstance(items[0], str)
        else f"float_list {{ value: {list(items)} }}"
        for name, items in features.items()
    }
    return f"features {{ {_map('feature', values)} }}"


def _list(*examples: str) -> str:
    entries = " ".join(f"examples {{ {example} }}" for example in examples)
    return f"input {{ example_list {{ {entries} }} }}"


def _with_context(context: str, *examples: str) -> str:
    entries = " ".join(f"examples {{ {example} }}" for example in examples)
    return f"input {{ example_list_with_context {{ context {{ {context} }} {entries} }} }}"


def _classes(*rows: Sequence[tuple[str, float]]) -> str:
    return " ".join(
        "classifications {"
        + " ".join(f'classes {{ label: "{label}" score: {score} }}' for label, score in row)
        + "}"
        for row in rows
    )


def _inference() -> Iterator[GrpcCase]:
    one = _example({"class": ["dos", "uno"], "score": [2, 1]})
    two = _example({"class": ["cuatro", "tres"], "score": [4, 3]})
    first, second = (("dos", 2), ("uno", 1)), (("cuatro", 4), ("tres", 3))
    for signature, sent, rows in (
        ("", _list(one, two), (first, second)),
        ("no_method", _list(one, two), (first, second)),
        ("", _with_context(one, "", ""), (first, first)),
        ("", _with_context(one, "", two), (first, second)),
        ("classes_only", _list(one), ((("dos", 0), ("uno", 0)),)),
        ("scores_only", _list(one), ((("", 2), ("", 1)),)),
    ):
        spec = f'model_spec {{ name: "classes" signature_name: "{signature}" }}'
        answer = f"result {{ {_classes(*rows)} }}"
        full = _SPEC.format("classes", signature or "serving_default")
        yield _case("Classify", f"{spec} {sent}", f"{answer} {full}")
    x = _example({"x": [2]})
    for model in (HALF, "half_plus_two_tf2"):
        for method, signature, answer in (
            ("Classify", "classify_x_to_y", _classes((("", 3),))),
            ("Regress", "regress_x_to_y", "regressions { value: 3 }"),
        ):
            spec = f'model_spec {{ name: "{model}" signature_name: "{signature}" }}'
            full = _SPEC.format(model, signature)
            yield _case(method, f"{spec} {_list(x)}", f"result {{ {answer} }} {full}")
            for empty in ("", "input {}", _list(), _with_context(x)):
                yield _case(method, f"{spec} {empty}", "Input is empty", INVALID)
            for bad, message, code in (
                (_list(x), "Missing ModelSpec", INVALID),
                (f"model_spec {{}} {_list(x)}", "ModelSpec has no name specified.", INVALID),
                (f'model_spec {{ name: "no" }} {_list(x)}', "Servable not found", NOT_FOUND),
                (
                    f'model_spec {{ name: "{model}" signature_name: "no" }}',
                    "No signature was found with the name: no",
                    INVALID,
                ),
                (f'model_spec {{ name: "{model}" }}', "inputs found in SignatureDef", INVALID),
                (f"{spec} {_list(_example({'z': [1]}))}", "Feature: x", INVALID),
            ):
                yield _case(method, bad, message, code)
    spec = f'model_spec {{ name: "{HALF}" signature_name: "regress_x_to_y" }}'
    both = "result { regressions { value: 3 } regressions { value: 2.5 } }"
    sent = _with_context(x, "", _example({"x": [1]}))
    yield _case("Regress", f"{spec} {sent}", f"{both} {_SPEC.format(HALF, 'regress_x_to_y')}")


def _odd_signatures() -> Iterator[GrpcCase]:
    rank = "Expected Tensor shape: [batch_size num_classes] but got "
    for method, signature, message in (
        ("Classify", "scores_rank_1", f"{rank}[1]"),
        ("Classify", "scores_rank_3", f"{rank}[1,1,10]"),
        ("Classify", "scores_double", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("Classify", "classes_numbers", "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        ("Classify", "classes_batch", "Expected classes output batch size of 1. Got: 7"),
        ("Classify", "unequal", "should match in dim_size(1). Got 3 vs. 2"),
        ("Classify", "three_outputs", "Expected one or two output Tensors, found 3"),
        ("Classify", "outputs_two", "outputs to contain at least one of"),
        ("Classify", "two_inputs", "Expected one input Tensor."),
        ("Regress", "outputs_rank_3", "[batch_size, 1] but got [1,1,10]"),
        ("Regress", "outputs_double", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        ("Regress", "outputs_text", "Expected output Tensor of DT_FLOAT.  Got: DT_STRING"),
        ("Regress", "outputs_batch", "batch size did not match output batch size: 1 vs. 7"),
        ("Regress", "outputs_and_more", "Expected one output Tensor."),
        ("Regress", "scores_rank_1", "No regression outputs found in SignatureDef"),
    ):
        spec = f'model_spec {{ name: "odd_outputs" signature_name: "{signature}" }}'
        yield _case(method, f"{spec} {_list('')}", message, INVALID)


def _task(signature: str, method: str, model: str = HALF) -> str:
    spec = f'model_spec {{ name: "{model}" signature_name: "{signature}" }}'
    return f'tasks {{ {spec} method_name: "{method}" }}'


def _multi_inference() -> Iterator[GrpcCase]:
    x = _list(_example({"x": [2]}))

    def result(model: str, signature: str, answer: str) -> str:
        return f"results {{ {_SPEC.format(model, signature)} {answer} }}"

    three = "regression_result { regressions { value: 3 } }"
    for model in (HALF, "half_plus_two_tf2"):
        regress, classify = "regress_x_to_y", "classify_x_to_y"
        first = result(model, regress, three)
        second = result(model, classify, f"classification_result {{ {_classes((('', 3),))} }}")
        tasks = _task(regress, REGRESS, model), _task(classify, CLASSIFY, model)
        yield _case("MultiInference", f"{tasks[0]} {x}", first)
        yield _case("MultiInference", f"{' '.join(tasks)} {x}", f"{first} {second}")
    four = "regression_result { regressions { value: 4 } }"
    yield _case(
        "MultiInference",
        f"{_task('regress_x_to_y', REGRESS)} {_task('regress_x_to_y2', REGRESS)} {x}",
        result(HALF, "regress_x_to_y", three) + result(HALF, "regress_x_to_y2", four),
    )
    good = _task("regress_x_to_y", REGRESS)
    for request, message, code in (
        (x, "ModelSpec has no name specified.", INVALID),
        (good, "Input is empty", INVALID),
        (f"{_task('nobody', REGRESS)} {x}", "signature not found in model graph: nobody", INVALID),
        (
            f"{good} {_task('regress_x_to_y', REGRESS, 'no')} {x}",
            "access the same model nam",
            INVALID,
        ),
        (f"{good} tasks {{ model_spec {{}} }} {x}", "ModelSpec with an empty model name.", INVALID),
        (f"{good} {good} {x}", "Duplicate evaluation of signature: regress_x_to_y", INVALID),
        (f"{_task('', 'a/b')} {x}", "Unsupported signature method_name: a/b", UNIMPLEMENTED),
        (
            f"{_task('serving_default', 'tensorflow/serving/predict')} {x}",
            "Unsupported signature method_name: tensorflow/serving/predict",
            UNIMPLEMENTED,
        ),
        (f"{_task('serving_default', CLASSIFY)} {x}", "No classification inputs found", INVALID),
        (f"{_task('classify_x_to_y', REGRESS)} {x}", "No regression outputs found", INVALID),
        (f"{_task('regress_x_to_y', REGRESS, 'no')} {x}", "Servable not found", NOT_FOUND),
    ):
        yield _case("MultiInference", request, message, code)


def _models() -> Iterator[GrpcCase]:
    spec = f'model_spec {{ name: "{HALF}" }}'
    available = "model_version_status { version: 123 state: AVAILABLE status {} }"
    for target in ("", "version { value: 123 }", 'version_label: "stable"', 'version_label: "no"'):
        request = f'model_spec {{ name: "{HALF}" {target} }}'
        yield _case("GetModelStatus", request, available)
    for request, message, code in (
        ("", "Missing ModelSpec", INVALID),
        ("model_spec {}", "Could not find any versions of model ", NOT_FOUND),
        ('model_spec { name: "no" }', "Could not find any versions of model no", NOT_FOUND),
        (
            f'model_spec {{ name: "{HALF}" version {{ value: 9 }} }}',
            f"Could not find version 9 of model {HALF}",
            NOT_FOUND,
        ),
    ):
        yield _case("GetModelStatus", request, message, code)
    for request, message, code in (
        ('metadata_field: "signature_def"', "Missing ModelSpec", INVALID),
        (spec, "must specify at least one metadata_field", INVALID),
        (f'{spec} metadata_field: "a"', "Metadata field a is not supported", INVALID),
        (
            'model_spec { name: "no" } metadata_field: "signature_def"',
            "Servable not found for request: Latest(no)",
            NOT_FOUND,
        ),
        (
            'model_spec {} metadata_field: "signature_def"',
            "ModelSpec has no name specified.",
            INVALID,
        ),
    ):
        yield _case("GetModelMetadata", request, message, code)
    model = 'config {{ name: "{}" base_path: "{}" model_platform: "tensorflow" }}'
    twice = model.format("a", "/a") * 2
    transition = "It is only legal to transition from one ModelConfigList to another."
    for config, message, code in (
        ("", transition, FAILED_PRECONDITION),
        ("config { custom_model_config {} }", transition, FAILED_PRECONDITION),
        (f"config {{ model_config_list {{ {twice} }} }}", "Illegal to list model a mul", INVALID),
        (
            f"config {{ model_config_list {{ {model.format('a', 'relative')} }} }}",
            "Expected model a to have an absolute path or URI; got base_path()=relative",
            INVALID,
        ),
    ):
        yield _case("HandleReloadConfigRequest", config, message, code)
