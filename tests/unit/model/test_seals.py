import json

import pytest

from model.seals import sealed, unsealed

VALUE = json.dumps({"labels": 20, "text": "größer", "of": [1.5, None]}).encode()


def test_a_sealed_value_is_json_and_comes_out_as_it_went_in():
    assert json.loads(sealed(VALUE))["record"] == json.loads(VALUE)
    assert unsealed(sealed(VALUE)) == VALUE


@pytest.mark.parametrize("bit", [0, 3, 6])
def test_any_byte_that_changed_is_found(bit):
    whole = sealed(VALUE)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        with pytest.raises(ValueError, match="differs from its checksum"):
            unsealed(bytes(damaged))


@pytest.mark.parametrize("content", [b"7", b"", b"{}", VALUE, b'{"record": 3}', bytes(200)], ids=repr)
def test_what_an_earlier_release_wrote_is_read_as_it_is(content):
    assert unsealed(content) == content


@pytest.mark.parametrize("length", [90, 60, -1, -20])
def test_a_value_that_was_cut_is_found_here_or_is_no_json(length):
    with pytest.raises(ValueError, match=r"checksum|Unterminated|delimiter"):
        json.loads(unsealed(sealed(VALUE)[:length]))
