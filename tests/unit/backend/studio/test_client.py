import pytest

from backend.errors import TokenRefusedError
from backend.settings import Settings
from backend.studio.client import LabelStudioClient


def test_without_an_api_key_nothing_is_asked_and_the_setting_is_named():
    with pytest.raises(TokenRefusedError, match="LABEL_STUDIO_API_KEY"):
        LabelStudioClient(Settings(label_studio_api_key=None))
