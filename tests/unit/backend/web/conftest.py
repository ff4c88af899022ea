"""The web application with queue and classifier that tests look into, and a client for it."""

import pytest
from flask.testing import FlaskClient

from backend.settings import Settings
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from tests.fakes import FakeRounds


@pytest.fixture
def service(tmp_path) -> Service:
    return Service(Settings(model_dir=tmp_path), FakeRounds(), WebClassifier())


@pytest.fixture
def browser(service) -> FlaskClient:
    return create_app(service).test_client()
