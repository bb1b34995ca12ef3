"""What the server says about its models, also about those that other programs made."""

from serving.server.models import Models
from serving.server.web.catalogue import catalogue


def test_a_model_without_a_description_is_described_by_its_signature(models: Models) -> None:
    (model,) = catalogue(models, 8500)["models"]
    assert (model["name"], model["labels"]) == ("m", {})
    (version,) = model["versions"]
    assert version["version"] == 1
    assert [(f["name"], f["asks"]) for f in version["fields"]] == [
        ("age", "number"),
        ("text", "text"),
    ]
    assert [a["name"] for a in version["answers"]] == ["size", "sure"]


def test_a_model_that_has_no_version_yet() -> None:
    assert catalogue(Models([]), None) == {"grpc_port": None, "models": []}
