"""Fixtures that tests share: real servers, each started once, when a test first needs it. No test uses a model hub."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import logging
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from examples.servers import Server
from tests.annotators import Person, signed_in, signed_up
from tests.fakes import tiny_encoder
from tests.servers import LEGACY_TOKEN, BackendServer, backend, label_studio, migrated_data_dir, redis_server

LABEL_STUDIO_VERSION = "1.23.2"


def pytest_configure() -> None:
    """Treat SIGTERM like Ctrl-C, so that the servers of an ended run are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _keep_to_one_core(os.environ.get("PYTEST_XDIST_WORKER", ""))


def _keep_to_one_core(test_process: str) -> None:
    """Give each of several test processes, and all servers that it starts, one core: torch's threads would collide.

    Args:
        test_process: pytest-xdist's name of this process, such as "gw1"; empty in a process without others.
    """
    if test_process and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(test_process.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session")
def migrated(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Label Studio data folder after migrations, kept in pytest's cache: migrations take a minute."""
    cache = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir("label-studio") if cache is not None else tmp_path_factory.mktemp("label-studio-migrated")
    return migrated_data_dir(folder / LABEL_STUDIO_VERSION)


@pytest.fixture(scope="session")
def studio(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Label Studio that may call private addresses."""
    data_dir = tmp_path_factory.mktemp("label-studio") / "data"
    shutil.copytree(migrated, data_dir)
    with label_studio(data_dir) as server:
        yield server


@pytest.fixture(scope="session")
def owner(studio: Server) -> Iterator[Person]:
    """Label Studio's first user."""
    with signed_in(studio.url) as person:
        yield person


@pytest.fixture(scope="session")
def colleague(studio: Server) -> Iterator[Person]:
    """A second annotator in the same organization."""
    with signed_up(studio.url, "colleague@example.com") as person:
        yield person


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random BERT that trains in a second."""
    return tiny_encoder(tmp_path_factory.mktemp("small-encoder"))


@pytest.fixture(scope="session")
def quick(
    studio: Server, owner: Person, small_encoder: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackendServer]:
    """The backend with the tiny encoder and a personal access token, for tests that need no accuracy."""
    folder = tmp_path_factory.mktemp("quick")
    with backend(folder, studio.url, owner.personal_access_token(), BERT_MODEL=small_encoder) as server:
        yield server


@pytest.fixture(scope="session")
def real(studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendServer]:
    """The backend with default settings, the bundled encoder and a legacy token, for tests of accuracy and time."""
    with backend(tmp_path_factory.mktemp("real"), studio.url, LEGACY_TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def module_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for one test module."""
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def title(request: pytest.FixtureRequest) -> str:
    """A project's title that names the test."""
    return str(request.node.name)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Put pytest's own handlers back after a test that starts our logging."""
    root, ours = logging.getLogger(), logging.getLogger("backend")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.getLogger("model").setLevel(logging.NOTSET)
