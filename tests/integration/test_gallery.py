"""The templates of Label Studio's own gallery that show a text: each is connected or refused as the tables say."""

import re
from pathlib import Path

import pytest
import yaml

from backend.studio.config.kinds import read_tasks
from tests.annotators import Person
from tests.servers import BackendServer, label_studio_program

REFUSED = "refused"
# Each template, and the controls whose questions are learned (or, in free text, only put in order).
GALLERY = {
    "audio-speech-processing/conversational-analysis": REFUSED,
    "chat/chat_eval": REFUSED,
    "chat/chat_llm_eval": REFUSED,
    "chat/chat_red_team": REFUSED,
    "chat/chat_rlhf": REFUSED,
    "chat/chatbot": REFUSED,
    "community-contributions/breast-cancer-mammogram-classification": REFUSED,
    "community-contributions/html-ner-tagging-person-and-organization": REFUSED,
    "community-contributions/two-level-sentiment-analysis-of-x-twitter-posts": "learned",
    "computer-vision/visual-question-answering": "ordered only",
    "conversational-ai/coreference-resolution-and-entity-linking": REFUSED,
    "conversational-ai/intent-classification-and-slot-filling": "learned",
    "conversational-ai/response-generation": "ordered only",
    "conversational-ai/response-selection": "learned",
    "generative-ai/chatbot-assessment": REFUSED,
    "generative-ai/human-feedback-collection": REFUSED,
    "generative-ai/llm-ranker": REFUSED,
    "generative-ai/response-grading": "learned",
    "generative-ai/supervised-llm": "ordered only",
    "generative-ai/visual-ranker": REFUSED,
    "natural-language-processing/content-moderation": "learned",
    "natural-language-processing/machine-translation": "ordered only",
    "natural-language-processing/named-entity-recognition": REFUSED,
    "natural-language-processing/question-answering": REFUSED,
    "natural-language-processing/relation-extraction": REFUSED,
    "natural-language-processing/taxonomy": "learned",
    "natural-language-processing/text-classification": "learned",
    "natural-language-processing/text-summarization": "ordered only",
    "ranking-and-scoring/document-retrieval": "learned",
    "ranking-and-scoring/pairwise-classification": REFUSED,
    "ranking-and-scoring/serp-ranking": REFUSED,
    "ranking-and-scoring/text-to-image": REFUSED,
    "structured-data-parsing/freeform-metadata": "ordered only",
    "structured-data-parsing/html-entity-recognition": REFUSED,
}
_SHOWS_TEXT = re.compile(r"<(Text|HyperText|Paragraphs) ")


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    """The labeling config of each template that shows a text."""
    home = label_studio_program().resolve().parents[1]
    [gallery] = home.glob("lib/python*/site-packages/label_studio/annotation_templates")
    found = {
        file.parent.relative_to(gallery).as_posix(): yaml.safe_load(file.read_text(encoding="utf-8")).get("config", "")
        for file in gallery.rglob("config.yml")
    }
    return {name: config for name, config in found.items() if _SHOWS_TEXT.search(config)}


def test_the_gallery_has_these_templates(templates: dict[str, str]) -> None:
    assert sorted(templates) == sorted(GALLERY)


@pytest.mark.parametrize("name", GALLERY)
def test_a_template_is_connected_or_refused_by_name(
    name: str, templates: dict[str, str], owner: Person, quick: BackendServer
) -> None:
    config = templates[name]
    project_id = owner.create_project(Path(name).name, config)
    body = {"project": project_id, "url": quick.url, "title": "Shortlist"}
    try:
        answer = owner.http.post("/api/ml/", json=body)
    finally:
        owner.delete_project(project_id)
    if GALLERY[name] == REFUSED:
        assert answer.status_code == 400
        assert any(reason in answer.text for reason in ("over a text", "has no toName", "same for all tasks"))
        return
    assert answer.status_code == 201, answer.text
    assert all(task.is_learned == (GALLERY[name] == "learned") for task in read_tasks(config))
