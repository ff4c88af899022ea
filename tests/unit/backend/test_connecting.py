import httpx
import pytest

from backend.connecting import refusal, refusal_text

URL = "http://backend:9090"


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ({"detail": "URL resolves to a reserved network address"}, "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION"),
        ({"detail": "Can't resolve hostname backend"}, "as Label Studio sees it"),
        ({"detail": "health check failed: connection refused"}, "is the backend running"),
        ({"detail": "Something new"}, '(403): {"detail": "Something new"}'),
    ],
)
def test_a_refusal_to_connect_names_the_address_and_the_mend(said, mend):
    error = str(refusal(httpx.Response(403, json=said), URL))
    assert URL in error
    assert mend in error


def test_a_refusal_is_read_without_its_markup_whether_it_is_json_or_not():
    assert refusal_text(httpx.Response(400, text="<b>not</b> possible")) == "not possible"
    assert refusal_text(httpx.Response(400, json=["<i>not</i> möglich"])) == '["not möglich"]'
