"""The gRPC API with the official stubs, in this process; tests/integration has more cases."""

from collections.abc import Iterator

import grpc
import pytest


@pytest.fixture
def channel(urls: dict[str, str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(urls["grpc"].partition("://")[2]) as channel:
        yield channel


def test_classify_regress_and_both_at_once(channel: grpc.Channel) -> None:
    from tensorflow_serving.apis import (
        classification_pb2,
        inference_pb2,
        prediction_service_pb2_grpc,
        regression_pb2,
    )

    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    both = inference_pb2.MultiInferenceRequest()
    for request in (
        classify := classification_pb2.ClassificationRequest(),
        regress := regression_pb2.RegressionRequest(),
        both,
    ):
        example = request.input.example_list.examples.add()
        example.features.feature["age"].float_list.value.append(0.0)
        example.features.feature["text"].bytes_list.value.append(b"abc")
    for request, name in ((classify, "classify_sure"), (regress, "regress_size")):
        request.model_spec.name, request.model_spec.signature_name = "m", name
        task = both.tasks.add(method_name=f"tensorflow/serving/{name.partition('_')[0]}")
        task.model_spec.CopyFrom(request.model_spec)
    response = service.Classify(classify)
    assert response.result.classifications[0].classes[1].label == "yes"
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 1)
    assert service.Regress(regress).result.regressions[0].value == 3.0
    first, second = service.MultiInference(both).results
    assert first.classification_result.classifications[0].classes[0].score == 0.5
    assert second.regression_result.regressions[0].value == 3.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.ClearField("tasks"), "ModelSpec has no name specified"),
        (lambda r: setattr(r.tasks[1].model_spec, "name", "n"), "must access the same model"),
        (lambda r: r.tasks.pop(), "Input is empty"),
        (lambda r: r.tasks[1].CopyFrom(r.tasks[0]), "Duplicate evaluation"),
    ],
)
def test_errors_of_multi_inference(channel: grpc.Channel, change, message: str) -> None:
    from tensorflow_serving.apis import inference_pb2, prediction_service_pb2_grpc

    request = inference_pb2.MultiInferenceRequest()
    for signature in ("classify_sure", "regress_size"):
        method = f"tensorflow/serving/{signature.partition('_')[0]}"
        spec = request.tasks.add(method_name=method).model_spec
        spec.name, spec.signature_name = "m", signature
    change(request)
    with pytest.raises(grpc.RpcError, match=message) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).MultiInference(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_cannot_be_parsed_is_refused(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError, match="Expected a PredictRequest") as caught:
        call(b"\xff\xff", timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("fields", "message"), [((), "at least one metadata_field"), (("x",), "x is not supported")]
)
def test_only_signatures_are_metadata(
    channel: grpc.Channel, fields: tuple[str, ...], message: str
) -> None:
    from tensorflow_serving.apis import get_model_metadata_pb2, prediction_service_pb2_grpc

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "m"
    with pytest.raises(grpc.RpcError, match=message):
        prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request)


def test_a_configuration_is_checked(channel: grpc.Channel) -> None:
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    service = model_service_pb2_grpc.ModelServiceStub(channel)
    with pytest.raises(grpc.RpcError, match="Cannot transition to requested config"):
        service.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest())
