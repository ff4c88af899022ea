"""The pictures of the quickstart: there, small, and taken only where there is a browser."""

import re
import struct

import pytest
from rich.console import Console

from examples.annotator import DemoError
from examples.screenshots import MOST_BYTES, WIDTH, take_pictures
from tests.compose import ROOT

PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.png"))


def test_the_quickstart_shows_every_picture_and_no_other():
    shown = re.findall(r"pictures/([\w-]+\.png)", (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8"))
    assert sorted(shown) == [picture.name for picture in PICTURES]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_small(picture):
    content = picture.read_bytes()
    width, _ = struct.unpack(">II", content[16:24])
    assert (width, len(content) <= MOST_BYTES) == (WIDTH, True)


def test_without_a_browser_it_is_said_which_to_install_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match="apt-get install chromium"):
        take_pictures(Console(), tmp_path / "label-studio", tmp_path / "pictures")
    assert list(tmp_path.iterdir()) == []
