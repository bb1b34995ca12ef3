"""Each generated file as the tool that it is for reads it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from serving.deploy.kit import Deployment, write
from serving.deploy.kubernetes import manifests
from serving.server.monitoring import BOUNDS, PATH, Monitoring
from serving.server.policy import Latest, Specific, configs_of

MODEL = "Spam_v2.mail"


@pytest.fixture(scope="module", params=[{}, {"stable": 3, "canary": 5}])
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kit")
    write(Deployment(MODEL, "/srv/models/spam", labels=request.param), directory)
    return directory


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_models_config_is_a_model_server_config_with_the_labels(kit: Path) -> None:
    from tensorflow_serving.config import model_server_config_pb2

    text = (kit / "config" / "models.config").read_text()
    message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = configs_of(message)
    assert (config.name, str(config.directory)) == (MODEL, f"/models/{MODEL}")
    if config.labels:
        assert config.labels == {"stable": 3, "canary": 5}
        assert config.policy == Specific((3, 5))
    else:
        assert config.policy == Latest(1)


def message_of(name: str, fields: dict[str, tuple[int, str]]) -> Any:
    """A message of TF Serving that tensorflow-serving-api does not ship.

    fields: by name their number and `bool`, `string` or `Int64Value`; from session_bundle_config
    .proto and monitoring_config.proto of tensorflow/serving.
    """
    kinds = {"bool": 8, "string": 9}
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    wrapper = file.message_type.add(name="Int64Value")
    wrapper.field.add(name="value", number=1, type=3, label=1)
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        added = message.field.add(name=field, number=number, label=1)
        added.type = kinds.get(kind, 11)
        if kind == "Int64Value":
            added.type_name = ".Int64Value"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()


def test_batching_and_monitoring_are_what_tf_serving_parses(kit: Path) -> None:
    numbers = {"max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3}
    fields = {name: (number, "Int64Value") for name, number in numbers.items()}
    fields["num_batch_threads"] = (4, "Int64Value")
    parameters = message_of("BatchingParameters", fields)
    text_format.Parse((kit / "config" / "batching.config").read_text(), parameters)
    assert parameters.batch_timeout_micros.value == 2000
    text = (kit / "config" / "monitoring.config").read_text()
    inner = re.search(r"prometheus_config \{(.*)\}", text, re.DOTALL)
    assert inner is not None
    monitoring = message_of("PrometheusConfig", {"enable": (1, "bool"), "path": (2, "string")})
    text_format.Parse(inner[1], monitoring)
    assert (monitoring.enable, monitoring.path) == (True, PATH)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_files_fit_the_compose_specification(kit: Path, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(kit / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_mounts_what_the_server_is_told_to_read(kit: Path) -> None:
    serving = loaded(kit / "compose.yaml")["services"]["serving"]
    assert f"/srv/models/spam:/models/{MODEL}:ro" in serving["volumes"]
    for argument in serving["command"]:
        if "=/config/" in argument:
            assert (kit / "config" / Path(argument.partition("=")[2]).name).exists()
    assert all(port.startswith("127.0.0.1:") for port in serving["ports"])
    overlay = loaded(kit / "compose.gpu.yaml")["services"]["serving"]
    (device,) = overlay["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", ["kubernetes.cpu.yaml", "kubernetes.gpu.yaml"])
def test_manifests_fit_the_kubernetes_schemas(kit: Path, name: str) -> None:
    objects = list(yaml.safe_load_all((kit / name).read_text()))
    for found in objects:
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
    by_kind = {o["kind"]: o for o in objects}
    assert len(by_kind) == len(objects) == 6
    assert re.fullmatch("[a-z0-9-]+", by_kind["Service"]["metadata"]["name"])
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{MODEL}"
    gpus = container["resources"]["limits"].get("nvidia.com/gpu", 0)
    assert gpus == (1 if "gpu" in name else 0)
    text = (kit / "config" / "models.config").read_text()
    assert by_kind["ConfigMap"]["data"]["models.config"] == text


def test_prometheus_scrapes_metrics_that_there_are(kit: Path) -> None:
    config = loaded(kit / "prometheus" / "prometheus.yml")
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == PATH
    assert (kit / "prometheus" / config["rule_files"][0]).exists()
    from serving.wire.errors import Code

    monitoring = Monitoring()
    monitoring.answered(MODEL, "Predict", "REST", Code.OK, BOUNDS[3] / 1e6)
    text = monitoring.text()
    (group,) = loaded(kit / "prometheus" / "alerts.yml")["groups"]
    expressions = [rule["expr"] for rule in group["rules"]]
    dashboard = json.loads((kit / "grafana" / "dashboards" / "model.json").read_text())
    expressions += [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    names = {name for e in expressions for name in re.findall(r'__name__="([^"]+)"', e)}
    assert len(names) == 2
    assert all(f"\n{name}{{" in text for name in names)
    for expression in expressions:
        assert balanced(expression), expression


def balanced(expression: str) -> bool:
    return all(expression.count(a) == expression.count(b) for a, b in ("()", "{}", "[]"))


def test_grafana_finds_its_source_and_dashboard(kit: Path) -> None:
    provisioning = kit / "grafana" / "provisioning"
    (source,) = loaded(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    dashboard = json.loads((kit / "grafana" / "dashboards" / "model.json").read_text())
    assert {t["datasource"]["uid"] for p in dashboard["panels"] for t in p["targets"]} == {
        source["uid"]
    }
    (provider,) = loaded(provisioning / "dashboards" / "dashboards.yaml")["providers"]
    volumes = loaded(kit / "compose.yaml")["services"]["grafana"]["volumes"]
    assert any(f":{provider['options']['path']}:" in volume for volume in volumes)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)


def all_files(directory: Path) -> Iterator[str]:
    yield from (str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_writing_again_follows_the_labels_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write(Deployment("m", "/models", {"stable": 1, "canary": 2}), tmp_path)
    before = sorted(all_files(tmp_path))
    write(Deployment("m", "/models", {"stable": 2, "canary": 2}), tmp_path)
    assert sorted(all_files(tmp_path)) == before
    text = (tmp_path / "config" / "models.config").read_text()
    assert 'key: "stable" value: 2' in text
    assert "versions: 1" not in text


@pytest.mark.parametrize(
    ("model", "name"),
    [("Spam_v2.mail", "spam-v2-mail"), ("2nd", "model-2nd"), ("é", "model"), ("a" * 70, "a" * 50)],
)
def test_services_have_names_that_kubernetes_takes(model: str, name: str) -> None:
    told = manifests(model, "image", {}, gpus=0)
    (service,) = [m for m in yaml.safe_load_all(told) if m["kind"] == "Service"]
    assert service["metadata"]["name"] == name
