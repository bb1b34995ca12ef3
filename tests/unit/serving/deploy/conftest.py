"""A deploy kit of one model: without and with labels, and of a model in an object store."""

from pathlib import Path

import pytest

from serving.deploy.kit import Deployment, write

MODEL = "Spam_v2.mail"


@pytest.fixture(scope="session")
def model() -> str:
    return MODEL


DIRECTORY, LABELS = "/srv/models/spam", {"stable": 3, "canary": 5}
KITS = {
    "plain": Deployment(MODEL, DIRECTORY),
    "labels": Deployment(MODEL, DIRECTORY, LABELS),
    "store": Deployment(MODEL, "s3://bucket/models", LABELS),
}


@pytest.fixture(scope="session", params=KITS.values(), ids=KITS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kit")
    write(request.param, directory)
    return directory
