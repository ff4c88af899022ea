"""docker-compose.yml without Docker: its programs with its environment, on loopback, with files at other paths.

Real PostgreSQL, Redis and Label Studio run with the environment, the commands and the secrets that the file gives them.
What cannot be tried without Docker: the images themselves, their mounts and their networks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.servers import ROOT, Server, clean_environment, free_port, running
from tests.annotators import Person, choices_config, reviews, signed_in, until_published
from tests.compose import compose_file
from tests.servers import NO_KEEPALIVE, BackendServer, await_health, eventually, label_studio_program, run_backend

pytestmark = pytest.mark.soak

SERVICES = compose_file()["services"]
CONFIG = choices_config(["neg", "pos"])
OWNER = SERVICES["label-studio"]["environment"]["LABEL_STUDIO_USERNAME"]


class Stack:
    """The services of docker-compose.yml as processes.

    Args:
        folder: for secrets, data and logs.
        stack: ends the processes.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.ports = {name: free_port() for name in ("postgres", "redis", "label-studio", "backend")}
        subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh")], cwd=folder, check=True)

    def temporary_folder(self) -> Path:
        """A folder that other users may be given."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-compose-")))

    def secret(self, name: str) -> str:
        """The secret in secrets/<name>.txt."""
        return (self.folder / "secrets" / f"{name}.txt").read_text()

    def here(self, text: str) -> str:
        """A text of the compose file with the addresses and paths that are right on this machine."""
        for name in ("redis:6379", "label-studio:8080"):
            host, port = name.split(":")
            text = text.replace(name, f"127.0.0.1:{self.ports[host]}").replace(
                f"--port {port}", f"--port {self.ports[host]}"
            )
        for secret in (self.folder / "secrets").iterdir():
            text = text.replace(f"/run/secrets/{secret.stem}", str(secret))
        return text.replace("/label-studio/data", str(self.folder / "label-studio"))

    def environment(self, name: str, **other: str) -> dict[str, str]:
        """The environment of a service."""
        given: Mapping[str, Any] = SERVICES[name].get("environment", {})
        return clean_environment({key: self.here(str(value)) for key, value in given.items()} | other)

    def start(self, name: str, command: list[str], environment: dict[str, str], log_name: str = "") -> Server:
        """Start a service."""
        log = self.folder / f"{log_name or name}.log"
        process = self._stack.enter_context(running(command, environment, log))
        return Server(name, f"http://127.0.0.1:{self.ports.get(name, 0)}", log, environment, process)


def postgres_program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of PATH."""
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), "")
    if not found:
        pytest.fail(f"no {name}: install PostgreSQL", pytrace=False)
    return found


def start_postgres(stack: Stack) -> None:
    """A PostgreSQL with the user, the password and the database that the image makes."""
    environment = SERVICES["postgres"]["environment"]
    # pytest's folders are their user's alone, and PostgreSQL refuses to run as root.
    folder = stack.temporary_folder()
    data, password = folder / "data", folder / "password"
    data.mkdir()
    password.write_text(Path(stack.here(environment["POSTGRES_PASSWORD_FILE"])).read_text())
    as_user: list[str] = []
    if os.geteuid() == 0:
        for path in (folder, data, password):
            shutil.chown(path, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    user = environment["POSTGRES_USER"]
    subprocess.run(
        [*as_user, postgres_program("initdb"), "-D", data, "-U", user, "-A", "scram-sha-256", f"--pwfile={password}"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    port = str(stack.ports["postgres"])
    command = [*as_user, postgres_program("postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", port, "-k", ""]
    stack.start("postgres", command, dict(os.environ))
    login = {**os.environ, "PGPASSWORD": stack.secret("postgres_password")}
    check = [postgres_program("pg_isready"), "-h", "127.0.0.1", "-p", port]
    eventually(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0, "PostgreSQL", 60.0)
    create = [postgres_program("createdb"), "-h", "127.0.0.1", "-p", port, "-U", user, environment["POSTGRES_DB"]]
    subprocess.run(create, env=login, check=True)


def start_redis(stack: Stack) -> None:
    """The command of the service, with its password over standard input."""
    (stack.folder / "redis").mkdir()
    script = stack.here(SERVICES["redis"]["command"][2]).replace("--dir /data", f"--dir {stack.folder}/redis")
    script = script.replace("redis-server -", f"redis-server - --bind 127.0.0.1 --port {stack.ports['redis']}")
    stack.start("redis", ["sh", "-c", script], dict(os.environ))
    check = SERVICES["redis"]["healthcheck"]["test"][1].replace("redis-cli", f"redis-cli -p {stack.ports['redis']}")
    healthy = ["sh", "-c", stack.here(check)]
    eventually(lambda: subprocess.run(healthy, check=False).returncode == 0, "Redis's health check", 60.0)
    refused = ["redis-cli", "-p", str(stack.ports["redis"]), "ping"]
    assert "NOAUTH" in subprocess.run(refused, capture_output=True, text=True, check=False).stdout


def start_label_studio(stack: Stack) -> Server:
    """The command of the service, which makes the first account."""
    program = label_studio_program()
    script = stack.here(SERVICES["label-studio"]["command"][2]).replace("0.0.0.0", "127.0.0.1")
    local = {"POSTGRE_HOST": "127.0.0.1", "POSTGRE_PORT": str(stack.ports["postgres"])}
    path = f"{program.parent.absolute()}:{os.environ['PATH']}"
    environment = stack.environment("label-studio", **local, PATH=path)
    server = stack.start("label-studio", ["sh", "-c", script], environment)
    await_health(server)
    return server


@contextmanager
def backend(stack: Stack, encoder: str) -> Iterator[BackendServer]:
    """`serve` and a worker with the environment of their services."""
    local = {"MODEL_DIR": str(stack.folder / "data"), "BERT_MODEL": encoder, "RETRAIN_EVERY": "4"}
    serve = stack.environment("backend", **local, PORT=str(stack.ports["backend"]), HOST="127.0.0.1")
    server = stack.start("backend", [sys.executable, "-m", "backend", "serve"], serve)
    worker = stack.environment("worker", **local)
    stack.start("worker", [sys.executable, *SERVICES["worker"]["command"][1:]], worker)
    await_health(server)
    auth = (serve["BASIC_AUTH_USER"], stack.secret("basic_auth_pass"))
    with httpx.Client(base_url=server.url, timeout=60.0, auth=auth, limits=NO_KEEPALIVE) as http:
        yield BackendServer(server.url, stack.folder / "data", server.log, serve, http)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and Redis run."""
    with ExitStack() as processes:
        stack = Stack(tmp_path_factory.mktemp("compose"), processes)
        start_postgres(stack)
        start_redis(stack)
        yield stack


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[Person]:
    """The first account, made by Label Studio's start."""
    studio = start_label_studio(stack)
    with signed_in(studio.url, OWNER, stack.secret("label_studio_password")) as person:
        yield person


def test_the_first_account_is_there_and_nobody_else_can_sign_up(stack: Stack, owner: Person) -> None:
    assert not (stack.folder / "label-studio" / "label_studio.sqlite3").exists()
    assert owner.call("GET", "/api/current-user/whoami")["email"] == OWNER
    url = f"http://127.0.0.1:{stack.ports['label-studio']}"
    with httpx.Client(base_url=url, follow_redirects=True) as stranger:
        form = {"email": "stranger@example.com", "password": "a-password-of-mine"}
        token = stranger.get("/user/signup/").cookies["csrftoken"]
        refused = stranger.post("/user/signup/", data=form, headers={"X-CSRFToken": token, "Referer": url})
    assert refused.status_code == 403
    assert [person["email"] for person in owner.call("GET", "/api/users/")] == [OWNER]


def test_labels_of_a_project_train_a_model_over_postgres_and_a_redis_with_a_password(
    stack: Stack, owner: Person, small_encoder: str
) -> None:
    token = stack.folder / "secrets" / "label_studio_api_key.txt"
    token.write_text(f"{owner.personal_access_token()}\n")
    gold = reviews(12)
    project_id = owner.create_project("compose", CONFIG, list(gold))
    with backend(stack, small_encoder) as server:
        check = [*SERVICES["worker"]["healthcheck"]["test"][4:]]
        worker = stack.environment("worker", MODEL_DIR=str(server.model_dir))
        eventually(lambda: run_backend(worker, *check).returncode == 0, "the worker's health check", 120.0, every_s=1.0)
        connected = server.command("connect", "--project", str(project_id), "--url", server.url)
        assert connected.returncode == 0, connected.stderr
        until_published(owner, server, project_id)

        owner.label_both(project_id, gold, 4)

        until_published(owner, server, project_id, model=1)
        examined = server.command("doctor", "--project", str(project_id), "--url", server.url)
        assert examined.returncode == 0, examined.stdout
        assert httpx.get(f"{server.url}/projects/{project_id}/status").status_code == 401
    logs = "".join(log.read_text(errors="replace") for log in stack.folder.glob("*.log"))
    assert not [path.stem for path in (stack.folder / "secrets").iterdir() if path.read_text().strip() in logs]
