"""The OpenAPI document: paths and schemas of each model. Names are data, also in paths."""

import json
from dataclasses import asdict

from serving.interface import Answer, Field
from serving.server.web.openapi import openapi

FIELDS = (
    Field(name="photo", asks="image"),
    Field(name="age", asks="number", low=1.0, high=90.0, usual=40.0),
    Field(name="job", asks="choice", choices=("cook", "smith")),
)
ANSWERS = (
    Answer(name="rich", classes=("negative", "positive"), decision=0.3),
    Answer(name="kind", classes=("a", "b", "c")),
    Answer(name="size"),
)


def served(answers: tuple[Answer, ...] = ANSWERS) -> dict[str, object]:
    version = {"version": 7}
    version |= {"fields": [asdict(f) for f in FIELDS], "answers": [asdict(a) for a in answers]}
    model = {"name": "a b", "labels": {"stable": 7}, "versions": [version]}
    return {"models": [model, {"name": "loading", "labels": {}, "versions": []}]}


def test_paths_and_schemas() -> None:
    document = json.loads(json.dumps(openapi(served(), secured=True)))
    at = "/v1/models/a%20b"
    models = {
        f"{at}:predict",
        f"{at}/labels/{{label}}:predict",
        f"{at}/versions/{{version}}:predict",
    }
    assert models < set(document["paths"])
    assert not [path for path in document["paths"] if "loading" in path]
    assert document["security"] == [{"token": []}]
    assert document["paths"]["/health"]["get"]["security"] == []
    content = document["paths"][f"{at}:predict"]["post"]["requestBody"]["content"]
    key = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    row = document["components"]["schemas"][key]["properties"]["instances"]["items"]
    assert row["required"] == ["photo", "age", "job"]
    assert row["properties"]["age"]["description"] == "1 to 90 in training. Missing: NaN"
    assert row["properties"]["photo"]["properties"]["b64"]["contentEncoding"] == "base64"
    answers = document["components"]["schemas"][f"{key}Answers"]["properties"]["predictions"]
    assert set(answers["items"]["properties"]) == {"rich", "kind", "size"}
    assert "above 0.3" in answers["items"]["properties"]["rich"]["description"]


def test_a_single_answer_has_no_name() -> None:
    document = openapi(served(ANSWERS[1:2]), secured=False)
    assert "security" not in document
    answers = document["components"]["schemas"]["Model1Answers"]["properties"]["predictions"]
    assert answers["items"]["description"] == "Probabilities of a, b, c"
