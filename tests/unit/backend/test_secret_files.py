"""Secrets that stand in files: read where X_FILE says, and a fault of a file is a sentence without the secret."""

import os

import pytest

from backend.errors import ConfigurationError
from backend.settings import SECRETS, Settings, environment_names, load_settings

# Each secret with a value that its setting takes, and what else has to be set for it.
VALUES = dict.fromkeys(SECRETS, "geheim") | {
    "LABEL_STUDIO_PROXY": "http://ann:geheim@proxy:3128",
    "REDIS_URL": "redis://:geheim@redis:6379/0",
}
BESIDE = {"BASIC_AUTH_PASS": {"BASIC_AUTH_USER": "ann"}, "REDIS_PASSWORD": {"REDIS_URL": "redis://redis"}}


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load settings where a secret stands in a file with these bytes; no other setting is set."""
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)

    def load(name: str, content: bytes, **environment: str) -> Settings:
        path = tmp_path / "secret"
        path.write_bytes(content)
        for key, value in {f"{name}_FILE": str(path), **BESIDE.get(name, {}), **environment}.items():
            monkeypatch.setenv(key, value)
        return load_settings()

    return load


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name.lower())
    return value if isinstance(value, str) else value.get_secret_value()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_read_from_its_file_without_the_line_break(load, name, end):
    assert _value(load(name, VALUES[name].encode() + end), name) == VALUES[name]


def test_blanks_of_a_password_are_kept_and_a_byte_order_mark_is_not(load):
    assert _value(load("BASIC_AUTH_PASS", b"\xef\xbb\xbf two words \n"), "BASIC_AUTH_PASS") == " two words "


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xff\xfegeheim", "holds no text"),
        (b"\x00\xff" * 9, "holds no text"),
    ],
)
def test_a_file_without_a_secret_is_named(load, name, content, said):
    with pytest.raises(ConfigurationError, match=f"{name}_FILE: .*/secret {said}"):
        load(name, content)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_the_environment_and_in_a_file_is_refused(load, name):
    with pytest.raises(ConfigurationError, match=f"{name} and {name}_FILE are both set") as caught:
        load(name, b"geheim", **{name: VALUES[name]})
    assert "geheim" not in str(caught.value)


def test_a_setting_that_is_set_to_nothing_does_not_hide_its_file(load):
    assert _value(load("REDIS_URL", b"redis://redis\n", REDIS_URL=""), "REDIS_URL") == "redis://redis"


@pytest.mark.parametrize("name", ["LABEL_STUDIO_API_KEY", "REDIS_URL", "LABEL_STUDIO_PROXY"])
def test_a_wrong_secret_of_a_file_is_named_and_not_shown(load, name):
    with pytest.raises(ConfigurationError, match=name) as caught:
        load(name, b"two geheim words\nand a line")
    assert "geheim" not in str(caught.value)


def test_files_that_cannot_be_read_are_all_named(load, tmp_path):
    locked = tmp_path / "locked"
    locked.write_text("geheim")
    locked.chmod(0)
    # Root reads every file.
    unreadable = {} if os.geteuid() == 0 else {"MISTRAL_API_KEY_FILE": str(locked)}
    with pytest.raises(ConfigurationError) as caught:
        load("REDIS_URL", b"", BASIC_AUTH_PASS_FILE="/missing", OPENAI_API_KEY_FILE=str(tmp_path), **unreadable)
    said = str(caught.value)
    assert "BASIC_AUTH_PASS_FILE: /missing cannot be read (No such file or directory)" in said
    assert f"OPENAI_API_KEY_FILE: {tmp_path} cannot be read (Is a directory)" in said
    assert all(name in said for name in ("REDIS_URL_FILE", *unreadable))


def test_a_device_without_an_end_is_no_secret(load):
    with pytest.raises(ConfigurationError, match="LABEL_STUDIO_API_KEY: must be the key alone"):
        load("MISTRAL_API_KEY", b"geheim", LABEL_STUDIO_API_KEY_FILE="/dev/zero")
