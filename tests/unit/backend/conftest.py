"""Fixtures of the tests that ask an LLM."""

import numpy as np
import pytest

from backend.rounds.llm.choosing import LLMContext
from backend.rounds.sync import Synced
from backend.settings import Settings
from model.types import Targets
from tests.fake_chats import ScriptedChat
from tests.fakes import SENTIMENT, a_context, a_project, labeling_config, the_task
from tests.unit.backend.films import EMBEDDINGS, POOL, sentiment


@pytest.fixture
def llm_settings(tmp_path) -> Settings:
    return Settings(model_dir=tmp_path, llm_provider="mistral", query_size=6)


@pytest.fixture
def llm_context(llm_settings):
    """Build the context of a round whose LLM gives the answers of the test."""

    def context(answers, labels: int = 0, has_model: bool = False, turn=None, **own) -> tuple[LLMContext, ScriptedChat]:
        chat = ScriptedChat(answers)
        done = POOL[:labels]
        targets = Targets(
            tuple(text.task_id for text in done),
            tuple(text.text for text in done),
            np.eye(2, dtype=np.float32)[[int(sentiment(text.text) == "pos") for text in done]],
            SENTIMENT,
        )
        question = the_task(labeling_config())
        project = a_project(title="Films", description="What critics say")
        synced = Synced(project, question, llm_settings.for_project(own), targets, POOL[labels:], "")
        round_ = a_context(llm_settings, turn=turn)
        embed = lambda texts: np.array([EMBEDDINGS[text] for text in texts]).reshape(-1, 4)  # noqa: E731
        return LLMContext(round_, synced, has_model, embed, lambda: [chat]), chat

    return context
