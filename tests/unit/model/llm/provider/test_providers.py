from importlib import import_module

import pytest

from backend.settings import Settings, environment_names
from model.llm.provider.config import LLMConfig
from model.llm.provider.providers import PROVIDERS, model_names


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_row_leads_to_a_connection_and_to_the_setting_of_its_key(name):
    row = PROVIDERS[name]
    config = LLMConfig(name, row.default_model, api_key="geheim")
    assert callable(import_module(row.module).connect(config).complete)
    assert (config.address, config.key_setting) == (row.address, row.key_setting)
    assert row.key_setting in environment_names()
    settings = Settings(llm_provider=name, **{row.key_setting.lower(): "geheim"})
    assert settings.llm_key == "geheim"
    assert settings.llm_models == (row.default_model,)


def test_several_models_have_commas_between_them_and_none_is_the_default():
    assert model_names("openai", " one, two,") == ("one", "two")
    assert model_names("mistral", " , ") == (PROVIDERS["mistral"].default_model,)
