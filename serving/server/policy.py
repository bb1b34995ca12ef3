"""Which models a server serves: their names, directories, versions and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.wire.errors import invalid


@dataclass(frozen=True)
class Latest:
    """Serve the newest versions."""

    count: int = 1

    def choose(self, on_disk: Sequence[int]) -> set[int]:
        """The versions to serve, of those on disk (ascending)."""
        return set(on_disk[-self.count :])


@dataclass(frozen=True)
class Specific:
    """Serve these versions only."""

    versions: tuple[int, ...]

    def choose(self, on_disk: Sequence[int]) -> set[int]:
        return set(on_disk) & set(self.versions)


@dataclass(frozen=True)
class Every:
    """Serve all versions."""

    def choose(self, on_disk: Sequence[int]) -> set[int]:
        return set(on_disk)


Policy = Latest | Specific | Every


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    labels: the version of each label; None: read them from the model's `.labels.json`. Labelled
        versions are served in addition to those that the policy chooses.
    """

    name: str
    directory: Path
    policy: Policy = Latest()
    labels: Mapping[str, int] | None = None


def configs_of(model_server_config: Any) -> list[ModelConfig]:
    """Read a `ModelServerConfig` message.

    Raises:
        ServingError: INVALID_ARGUMENT: something in it cannot be served.
    """
    if model_server_config.WhichOneof("config") != "model_config_list":
        raise invalid("Expected a ModelServerConfig with a model_config_list.")
    configs: dict[str, ModelConfig] = {}
    for entry in model_server_config.model_config_list.config:
        if not entry.name or not entry.base_path:
            raise invalid("Expected every ModelConfig to have a name and a base_path.")
        if entry.name in configs:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        if entry.model_platform not in ("", "tensorflow"):
            raise invalid(f"Model platform {entry.model_platform!r} is not supported.")
        policy = _policy_of(entry.model_version_policy)
        labels = dict(entry.version_labels) or None
        configs[entry.name] = ModelConfig(entry.name, Path(entry.base_path), policy, labels)
    return list(configs.values())


def _policy_of(message: Any) -> Policy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return Every()
    if choice == "specific":
        if not message.specific.versions:
            raise invalid("Expected a specific version policy to name versions.")
        return Specific(tuple(message.specific.versions))
    return Latest(message.latest.num_versions or 1)
