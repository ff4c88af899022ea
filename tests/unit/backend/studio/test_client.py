import pytest

from backend.errors import TokenRefusedError
from backend.settings import Settings
from backend.studio.client import LabelStudioClient


def test_a_missing_api_key_is_an_error_that_names_the_setting():
    with pytest.raises(TokenRefusedError, match="LABEL_STUDIO_API_KEY"):
        LabelStudioClient(Settings(label_studio_api_key=None))
