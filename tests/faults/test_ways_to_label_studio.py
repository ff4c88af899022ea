"""The ways to Label Studio: base paths, proxies, certificates, and keys as people copy them."""

import time

import pytest

from backend.errors import ConfigurationError, LabelStudioAnswerError
from backend.settings import load_settings
from backend.studio.client import LabelStudioClient
from tests.faults.studio_faults import KEYS, authority, tls
from tests.studio_servers import LEGACY_KEY, PERSONAL_TOKEN, Answer, Asked, labels, studio_server

# label-studio-sdk's own, when it reads a personal access token.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")


def title_of_project_1() -> str:
    with LabelStudioClient(load_settings()) as studio:
        return studio.project(1).title


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("base", ["", "/labels", "/a/b"])
def test_a_label_studio_under_a_path_takes_both_kinds_of_token(environment, key, base):
    with studio_server(labels(base=base)) as server:
        environment(LABEL_STUDIO_URL=f"{server.url}{base}/", LABEL_STUDIO_API_KEY=key)
        assert title_of_project_1() == "Films"
    assert all(asked.path.startswith(f"{base}/api/") for asked in server.asked)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_proxy_of_the_environment_never_gets_the_key(environment, monkeypatch, name, key):
    with studio_server(labels()) as server, studio_server(labels()) as proxy:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=key)
        monkeypatch.setenv(name, proxy.url)
        assert title_of_project_1() == "Films"
    assert proxy.asked == []


def test_label_studio_is_asked_over_a_proxy_that_is_set_for_it(environment):
    with studio_server(labels()) as proxy:
        environment(
            LABEL_STUDIO_URL="http://labels.example", LABEL_STUDIO_API_KEY=LEGACY_KEY, LABEL_STUDIO_PROXY=proxy.url
        )
        assert title_of_project_1() == "Films"
    assert proxy.asked[0].path.startswith("http://labels.example/api/projects/1/")


def test_a_certificate_of_ones_own_is_taken_from_ssl_cert_file(environment):
    with studio_server(labels(), tls()) as server, authority().cert_pem.tempfile() as file:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY, SSL_CERT_FILE=file)
        assert title_of_project_1() == "Films"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_redirect_never_takes_the_key_along(environment, key):
    with studio_server(labels()) as elsewhere:
        reply = Answer(307, "", {"Location": f"{elsewhere.url}/api/projects/1/"})
        with studio_server(reply) as server:
            environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=key)
            with pytest.raises(LabelStudioAnswerError, match="which is not followed"):
                title_of_project_1()
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "waits",
    [
        {"Retry-After": "3600"},
        {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"Retry-After": "Fri, 01 Jan 99999 00:00:00 GMT"},
        {"X-RateLimit-Reset": "4102444800"},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_nobody_sleeps_over_a_request_for_as_long_as_an_overloaded_server_says(environment, status, waits):
    well = labels()

    def answer(asked: Asked) -> Answer:
        return well(asked) if len(server.asked) > 1 else Answer(status, "<h1>busy</h1>", waits)

    with studio_server(answer) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY)
        began_s = time.monotonic()
        assert title_of_project_1() == "Films"
    assert time.monotonic() - began_s < 10.0


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\t{}", "{}\n\n"])
@pytest.mark.parametrize("key", [LEGACY_KEY, PERSONAL_TOKEN], ids=["legacy", "personal"])
def test_white_space_around_a_key_is_stripped(environment, around, key):
    with studio_server(labels()) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=around.format(key))
        assert title_of_project_1() == "Films"


@pytest.mark.parametrize("name", ["LABEL_STUDIO_API_KEY", "MISTRAL_API_KEY", "OPENAI_API_KEY"])
@pytest.mark.parametrize(
    "key", ["Token topsecret", "topsecret\nmore", "topsecr\u00e9t", "\ufefftopsecret", "tops\x7fecret"]
)
def test_a_key_that_no_header_can_hold_is_a_wrong_setting_and_is_not_shown(environment, name, key):
    environment(**{name: key})
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"settings: {name}: must be the key alone")
    assert "tops" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8080", "http://", "http://ho st", "http://h:port", "http://h:99999", "http://[::1"]
)
def test_an_address_that_is_none_is_a_wrong_setting(environment, url):
    environment(LABEL_STUDIO_URL=url)
    with pytest.raises(ConfigurationError, match=r"^settings: LABEL_STUDIO_URL or LABEL_STUDIO_HOST: "):
        load_settings()


@pytest.mark.parametrize("end", ["/projects?page=1", "/#/projects", "?next=/"])
def test_an_address_that_was_copied_with_a_page_of_label_studio_is_a_wrong_setting(environment, end):
    environment(LABEL_STUDIO_URL=f"http://labels.example{end}")
    with pytest.raises(ConfigurationError, match="start page"):
        load_settings()


def test_the_password_of_a_proxy_is_not_shown(environment):
    environment(LABEL_STUDIO_PROXY="ftp://ann:topsecret@proxy:3128")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "LABEL_STUDIO_PROXY" in str(caught.value)
    assert "topsecret" not in str(caught.value)
    environment(LABEL_STUDIO_PROXY="http://ann:topsecret@proxy:3128")
    assert "topsecret" not in repr(load_settings())


@pytest.mark.parametrize(
    "wrong",
    [
        {"LLM_PROVIDER": "nobody"},
        {"STRATEGY": "nothing"},
        {"PORT": "none"},
        {"EXPLORE": "2"},
        {"LABEL_STUDIO_URL": "nowhere"},
        {"LABEL_STUDIO_API_KEY": "a b"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_setting_blames_no_other_setting(environment, wrong):
    environment(**wrong)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert next(iter(wrong)) in str(caught.value)
    assert "cold_start" not in str(caught.value).lower()
    assert ";" not in str(caught.value)
