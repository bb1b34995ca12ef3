"""The OpenAPI 3.1 description of the REST API, with the inputs and answers of the served models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from serving.server.web.catalogue import Json
from serving.wire.names import METRICS_PATH

_STATUSES = {
    400: "The request does not fit the model, or there is no such label.",
    401: "The bearer token is missing or wrong.",
    404: "There is no such model or version.",
    413: "The body is too large.",
    429: "Too many requests are pending.",
    503: "The server is shutting down.",
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_BYTES = {
    "type": "object",
    "required": ["b64"],
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
}


def openapi(catalogue: Mapping[str, Any], secured: bool) -> Json:
    """The document.

    catalogue: of `serving.server.web.catalogue`. secured: whether requests need a token.
    """
    paths: Json = {}
    schemas: Json = {"Error": _ERROR}
    for model in catalogue["models"]:
        if not model["versions"]:
            continue
        name, newest = model["name"], model["versions"][0]
        key = f"Model{len(schemas)}"
        schemas[key] = _request(newest["fields"])
        schemas[f"{key}Answers"] = _response(newest["answers"])
        at = f"/v1/models/{quote(name, safe='')}"
        labels = ", ".join(f"{label} ({n})" for label, n in sorted(model["labels"].items()))
        numbers = ", ".join(str(v["version"]) for v in model["versions"])
        known = f"Versions: {numbers}. Labels: {labels or 'none'}."
        predict = f"Answers of all tasks. The newest version. {known}"
        paths[f"{at}:predict"] = {"post": _predict(f"Ask {name}", predict, key)}
        for kind, values in (
            ("version", [v["version"] for v in model["versions"]]),
            ("label", sorted(model["labels"])),
        ):
            if values:
                of_kind = _predict(f"Ask one {kind} of {name}", known, key)
                parameter = {
                    "name": kind,
                    "in": "path",
                    "required": True,
                    "schema": {"enum": values},
                }
                paths[f"{at}/{kind}s/{{{kind}}}:predict"] = {
                    "post": of_kind | {"parameters": [parameter]}
                }
        paths[at] = {"get": _read(f"Versions of {name} and their states")}
        paths[f"{at}/metadata"] = {"get": _read(f"Signatures of {name}")}
    paths["/health"] = {"get": {**_read("Whether every model can answer"), "security": []}}
    paths[METRICS_PATH] = {"get": _read("Metrics for Prometheus", "text/plain")}
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Rootstock model server",
            "version": "1",
            "description": "TensorFlow Serving's REST API; :classify and :regress are there too.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if secured:
        scheme = {"type": "http", "scheme": "bearer"}
        document["components"]["securitySchemes"] = {"token": scheme}
        document["security"] = [{"token": []}]
    return document


def _request(fields: Sequence[Json]) -> Json:
    """The row form: a list with one object for each row."""
    row = {
        "type": "object",
        "required": [f["name"] for f in fields],
        "additionalProperties": False,
        "properties": {f["name"]: _value(f) for f in fields},
    }
    properties = {
        "signature_name": {"type": "string", "description": "A task, to compute only that."},
        "instances": {"type": "array", "minItems": 1, "items": row},
    }
    return {"type": "object", "required": ["instances"], "properties": properties}


def _value(field: Json) -> Json:
    if field["asks"] == "image":
        return _BYTES | {"description": "JPEG, PNG, GIF or BMP"}
    if field["asks"] == "number":
        known = field["low"] is not None
        span = f"{field['low']:g} to {field['high']:g} in training. " if known else ""
        value: Json = {"type": "number", "description": f"{span}Missing: NaN"}
    else:
        value = {"type": "string", "description": 'Missing: ""'}
        more = f" Training values, the most frequent first: {', '.join(field['choices'])}"
        if field["choices"]:
            value["description"] += "." + more
    examples = [e for e in (field["usual"], field["hint"]) if e not in (None, "")]
    return value | ({"examples": examples} if examples else {})


def _response(answers: Sequence[Json]) -> Json:
    outputs = {a["name"]: _output(a) for a in answers}
    row: Json = {"type": "object", "required": list(outputs), "properties": outputs}
    if len(outputs) == 1:  # then its value has no name
        (row,) = outputs.values()
    predictions = {"type": "array", "items": row}
    return {"type": "object", "properties": {"predictions": predictions}}


def _output(answer: Json) -> Json:
    classes = answer["classes"]
    if not classes:
        return {}
    width = 1 if len(classes) == 2 and not answer["several"] else len(classes)
    if width == 1:
        text = f"Probability of {classes[1]}; above {answer['decision']:g} it counts as yes"
    else:
        text = f"Probabilities of {', '.join(classes)}"
    item = {"type": "number", "minimum": 0, "maximum": 1}
    return {"type": "array", "description": text, "items": item}


def _predict(summary: str, description: str, key: str) -> Json:
    def schema(name: str) -> Json:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    return {
        "summary": summary,
        "description": description,
        "requestBody": {"required": True, "content": schema(key)},
        "responses": {
            "200": {"description": "The answers", "content": schema(f"{key}Answers")},
            **{
                str(s): {"description": t, "content": schema("Error")} for s, t in _STATUSES.items()
            },
        },
    }


def _read(summary: str, media: str = "application/json") -> Json:
    answer = {"description": summary, "content": {media: {}}}
    return {"summary": summary, "responses": {"200": answer}}
