"""A deploy kit of one model, without and with labels."""

from pathlib import Path

import pytest

from serving.deploy.kit import Deployment, write

MODEL = "Spam_v2.mail"


@pytest.fixture(scope="session")
def model() -> str:
    return MODEL


@pytest.fixture(scope="session", params=[{}, {"stable": 3, "canary": 5}], ids=["plain", "labels"])
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kit")
    write(Deployment(MODEL, "/srv/models/spam", labels=request.param), directory)
    return directory
