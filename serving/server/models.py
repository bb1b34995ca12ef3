"""All models of a server, and the thread that looks for new versions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread

from serving.server.monitoring import Monitoring
from serving.server.policy import ModelConfig
from serving.server.saved_model import SavedModel
from serving.server.served_model import Load, ServedModel, Target, VersionStatus, not_served
from serving.wire.errors import Code, ServingError

_log = logging.getLogger(__name__)


class Models:
    """The served models by name. A thread looks for new versions every `period_s` seconds."""

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        load: Load = SavedModel,
        monitoring: Monitoring | None = None,
        period_s: float = 1.0,
    ) -> None:
        self.monitoring = monitoring or Monitoring()
        self._load, self._period_s = load, period_s
        self._models: dict[str, ServedModel] = {}
        self._refreshing = Lock()
        self._stop, self._available, self._failed = Event(), Event(), Event()
        self._thread = Thread(target=self._poll, name="model-poller", daemon=True)
        self._configure(configs)

    def start(self) -> None:
        """Start to load versions and to look for new ones."""
        self._thread.start()

    def wait_available(self) -> None:
        """Wait until every model has had an available version."""
        self._available.wait()

    def wait_failed(self) -> None:
        """Wait until the newest version of some model could not be loaded."""
        self._failed.wait()

    def available(self) -> bool:
        """Whether every model has an available version now."""
        return all(model.available() for model in self._models.values())

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Serve these models and no others. Returns when their versions are loaded.

        Raises:
            ServingError: FAILED_PRECONDITION: a model has no version that can be loaded.
        """
        with self._refreshing:
            removed = self._configure(configs)
            for model in self._models.values():
                model.refresh()
        for model in removed:
            model.close()
        if empty := [name for name, model in self._models.items() if not model.available()]:
            message = f"No version of {', '.join(empty)} can be served."
            raise ServingError(Code.FAILED_PRECONDITION, message)

    def stop(self) -> None:
        """Stop looking for versions, and free all of them."""
        self._stop.set()
        self._thread.join()
        for model in self._models.values():
            model.close()

    def names(self) -> list[str]:
        return list(self._models)

    def labels(self, name: str) -> dict[str, int]:
        """The version of each label of a model; none for an unknown model."""
        model = self._models.get(name)
        return {} if model is None else model.labels()

    def metric_label(self, name: str) -> str:
        """The name if such a model is served, else "": requests must not invent label values."""
        return name if name in self._models else ""

    def status(self, target: Target) -> list[VersionStatus]:
        """The status of all versions of a model, newest first, or of the one that is named.

        Raises:
            ServingError: NOT_FOUND: there is none.
        """
        model = self._models.get(target.name)
        if model is None:
            message = f"Could not find any versions of model {target.name}"
            raise ServingError(Code.NOT_FOUND, message)
        return model.status(target)

    @contextmanager
    def use(self, target: Target) -> Iterator[tuple[int, SavedModel]]:
        """A version's number and model. It stays in memory while the block runs.

        Raises:
            ServingError: NOT_FOUND for a model or version, INVALID_ARGUMENT for a label.
        """
        model = self._models.get(target.name)
        if model is None:
            raise not_served(target)
        with model.use(target) as version:
            yield version

    def _configure(self, configs: Sequence[ModelConfig]) -> list[ServedModel]:
        """Replace the set of models; the models that are no longer in it."""
        models: dict[str, ServedModel] = {}
        for config in configs:
            known = self._models.get(config.name)
            if known is not None and known.config.directory == config.directory:
                known.config = config
                models[config.name] = known
            else:
                models[config.name] = ServedModel(config, self._load, self.monitoring)
        removed = [model for model in self._models.values() if model not in models.values()]
        self._models = models
        return removed

    def _poll(self) -> None:
        while not self._stop.is_set():
            with self._refreshing:
                for name, model in self._models.items():
                    try:
                        model.refresh()
                    except Exception:  # the disk may work again the next time
                        _log.exception("%s: cannot look for versions now", name)
                if self.available():
                    self._available.set()
                if any(model.failed() for model in self._models.values()):
                    self._failed.set()
            self._stop.wait(self._period_s)
