"""Our numbers and names against those of TF Serving's messages."""

from serving.wire.names import MODEL_SERVICE, PREDICTION_SERVICE, State


def test_states_have_tf_servings_numbers() -> None:
    from tensorflow_serving.apis import get_model_status_pb2

    numbers = dict(get_model_status_pb2.ModelVersionStatus.State.items())
    assert {state.name: state.value for state in State} == numbers


def test_services_have_tf_servings_names() -> None:
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    for module, name in (
        (prediction_service_pb2, PREDICTION_SERVICE),
        (model_service_pb2, MODEL_SERVICE),
    ):
        (service,) = module.DESCRIPTOR.services_by_name.values()
        assert service.full_name == name
