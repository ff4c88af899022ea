"""`serve` opens no door to other machines by itself."""

import socket
import subprocess
import sys

import httpx
import pytest

from backend.commands.processes.serving import check_closed, web_command
from backend.errors import ConfigurationError
from backend.settings import Settings
from examples.servers import ROOT, backend_server, clean_environment, free_port
from tests.fakes import labeling_config

LOCK = {"basic_auth_user": "ann", "basic_auth_pass": "geheim"}
OPEN = ["0.0.0.0", "::", "10.0.0.7", "192.168.1.5", "2001:db8::1", "::ffff:10.0.0.7", "fe80::1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.0.0.2", "::ffff:127.0.0.1"])
def test_on_loopback_no_password_is_needed(host):
    check_closed(Settings(host=host))


@pytest.mark.parametrize("host", OPEN)
def test_on_any_other_address_a_password_is_needed_or_a_plain_word(host):
    with pytest.raises(ConfigurationError, match=r"BASIC_AUTH_USER and BASIC_AUTH_PASS, or ALLOW_ANONYMOUS=1"):
        check_closed(Settings(host=host))
    check_closed(Settings(host=host, **LOCK))
    check_closed(Settings(host=host, allow_anonymous=True))


def test_a_name_that_is_no_address_is_refused_with_its_setting():
    with pytest.raises(ConfigurationError, match=r"HOST=nobody\.invalid"):
        check_closed(Settings(host="nobody.invalid"))


@pytest.mark.parametrize(
    ("host", "bound"), [("127.0.0.1", "127.0.0.1:9090"), ("::1", "[::1]:9090"), ("[::]", "[::]:9090")]
)
def test_the_web_server_binds_host_and_port(host, bound):
    command = web_command(Settings(host=host, port=9090))
    assert command[command.index("--bind") + 1] == bound


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_serve_ends_with_a_sentence_before_it_listens_without_a_password(tmp_path, host):
    port = free_port()
    environment = clean_environment({"HOST": host, "PORT": str(port), "MODEL_DIR": str(tmp_path)})
    command = [sys.executable, "-m", "backend", "serve"]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "ALLOW_ANONYMOUS=1" in ended.stderr
    assert "Traceback" not in ended.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def _own_address() -> str:
    """An address of this machine that is no loopback address; empty without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_a_backend_that_was_told_nothing_listens_on_loopback_alone_and_writes_for_its_user_alone(tmp_path):
    model_dir = tmp_path / "data"
    with backend_server(model_dir, {}) as server:
        server.await_health()
        port = int(server.url.rpartition(":")[2])
        body = {"project": 7, "schema": labeling_config()}
        assert httpx.post(f"{server.url}/setup", json=body).status_code == 200
        address = _own_address()
        if address and not address.startswith("127."):
            with socket.socket() as probe:
                probe.settimeout(2.0)
                assert probe.connect_ex((address, port)) != 0
        written = [path for path in model_dir.rglob("*") if not path.is_symlink()]
        assert model_dir / "projects" / "7" / "setup.json" in written
        assert {str(path) for path in written if path.stat().st_mode & 0o077} == set()


def test_the_web_server_takes_no_commands_over_a_socket_of_its_own():
    assert "--no-control-socket" in web_command(Settings())
