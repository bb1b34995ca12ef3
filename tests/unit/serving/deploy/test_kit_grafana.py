"""The provisioning of Grafana."""

import json
from pathlib import Path

import yaml


def test_grafana_finds_its_data_source_and_dashboard(kit: Path) -> None:
    provisioning = kit / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())
    (source,) = sources["datasources"]
    dashboard = json.loads((kit / "grafana" / "dashboards" / "model.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    assert {target["datasource"]["uid"] for target in targets} == {source["uid"]}
    providers = yaml.safe_load((provisioning / "dashboards" / "dashboards.yaml").read_text())
    (provider,) = providers["providers"]
    compose = yaml.safe_load((kit / "compose.yaml").read_text())
    volumes = compose["services"]["grafana"]["volumes"]
    assert any(f":{provider['options']['path']}:" in volume for volume in volumes)
    positions = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(positions)) == len(positions)
