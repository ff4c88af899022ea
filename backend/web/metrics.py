"""Prometheus metrics: every project's status as numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from backend.store.project_folder import known_projects
from backend.web.service import Service
from backend.web.status import status_or_fault
from backend.work.states import STATES
from model.stopping import ENOUGH

Status = Mapping[str, Any]
# Metric, its description, and its value in a project's status; None leaves the project out.
_GAUGES: tuple[tuple[str, str, Callable[[Status], float | None]], ...] = (
    ("shortlist_labels", "Labelled tasks at the last sync.", lambda status: status["labels"]),
    ("shortlist_unlabelled", "Tasks that want labels at the last sync.", lambda status: status["unlabelled"]),
    ("shortlist_model", "Number of the model version in use.", lambda status: status["model"]),
    ("shortlist_rounds", "Orders published so far.", lambda status: status["rounds"]),
    (
        "shortlist_last_round_seconds",
        "Duration of the last round that published an order.",
        lambda status: _entry(status["last_round"], "seconds"),
    ),
    (
        "shortlist_last_round_timestamp_seconds",
        "End of the last round that published an order, in seconds since 1970.",
        lambda status: _entry(status["last_round"], "at"),
    ),
    (
        "shortlist_out_of_fold_accuracy",
        "Share of right out-of-fold answers among labelled texts.",
        lambda status: _entry(status["out_of_fold"], "accuracy"),
    ),
    (
        "shortlist_out_of_fold_macro_f1",
        "F1 averaged over classes, of out-of-fold answers.",
        lambda status: _entry(status["out_of_fold"], "macro_f1"),
    ),
    (
        "shortlist_out_of_fold_calibration_error",
        "Expected calibration error of out-of-fold answers.",
        lambda status: _entry(status["out_of_fold"], "calibration_error"),
    ),
    (
        "shortlist_names_agreed",
        "Labelled texts to which people gave the label that label names alone predict.",
        lambda status: _entry(status["names"], "agreed"),
    ),
    (
        "shortlist_names_compared",
        "Labelled texts that were compared with the predictions of label names alone.",
        lambda status: _entry(status["names"], "of"),
    ),
    (
        "shortlist_stopping_advised",
        "1 while the advice is that labels are enough.",
        lambda status: float(status["stopping"]["state"] == ENOUGH),
    ),
    (
        "shortlist_expected_gain",
        "Expected gain in accuracy of the next 100 labels.",
        lambda status: status["stopping"]["gain"],
    ),
    (
        "shortlist_expected_gain_high",
        "The gain of the next 100 labels is smaller with a probability of 95 %.",
        lambda status: status["stopping"]["gain_high"],
    ),
    (
        "shortlist_version_agreement",
        "Agreement (kappa) of successive model versions on a fixed sample of texts, mean of the last three.",
        lambda status: status["stopping"]["kappa"],
    ),
    (
        "shortlist_fair_accuracy",
        "Accuracy on the random sample of labelled texts alone.",
        lambda status: status["stopping"]["fair_accuracy"],
    ),
    (
        "shortlist_labels_per_hour",
        "Labels an hour of work in the last hours, all people together.",
        lambda status: status["stopping"]["labels_per_hour"],
    ),
    (
        "shortlist_hours_left",
        "Hours of work for all unlabelled tasks at the pace of shortlist_labels_per_hour.",
        lambda status: status["stopping"]["hours_left"],
    ),
    (
        "shortlist_versions_waiting",
        "Model versions that wait for a person because they are clearly worse than the current one.",
        lambda status: len(status["waiting"]),
    ),
    (
        "shortlist_paused",
        "1 while rounds of the project neither train nor publish, because a person paused it.",
        lambda status: float(status["paused_at"] is not None),
    ),
    (
        "shortlist_hook_fallback",
        "1 while another strategy orders in the place of an ordering hook that failed.",
        lambda status: float(status["ordering_hook"] is not None),
    ),
    (
        "shortlist_set_aside",
        "Files and model versions that were damaged and set aside, or are missing.",
        lambda status: len(status["set_aside"]),
    ),
    (
        "shortlist_llm_asked",
        "Questions that went to an LLM.",
        lambda status: _entry(status["llm"], "asked"),
    ),
    (
        "shortlist_llm_failed",
        "Questions that an LLM did not answer.",
        lambda status: _entry(status["llm"], "failed"),
    ),
    (
        "shortlist_llm_from_cache",
        "Questions answered from memory.",
        lambda status: _entry(status["llm"], "from_cache"),
    ),
    (
        "shortlist_llm_prompt_tokens",
        "Tokens that LLMs read.",
        lambda status: _entry(status["llm"], "prompt_tokens"),
    ),
    (
        "shortlist_llm_completion_tokens",
        "Tokens that LLMs wrote.",
        lambda status: _entry(status["llm"], "completion_tokens"),
    ),
    (
        "shortlist_llm_cost",
        "Cost of the LLM's tokens, by LLM_PRICE_INPUT and LLM_PRICE_OUTPUT.",
        lambda status: _entry(status["llm"], "cost"),
    ),
    (
        "shortlist_llm_fallback",
        "1 while another strategy chooses in the LLM's place.",
        lambda status: None if status["llm"] is None else float(bool(status["llm"]["fallback"])),
    ),
)


# Metrics of every question of a project.
_QUESTION_GAUGES: tuple[tuple[str, str, Callable[[Status], float | None]], ...] = (
    ("shortlist_question_labels", "Texts that answer the question.", lambda question: question["labels"]),
    ("shortlist_question_model", "Number of the question's model version in use.", lambda question: question["model"]),
    (
        "shortlist_question_out_of_fold_accuracy",
        "Share of right out-of-fold answers to the question among labelled texts.",
        lambda question: _entry(question["out_of_fold"], "accuracy"),
    ),
    (
        "shortlist_mae",
        "Mean absolute error of out-of-fold ratings, in stars.",
        lambda question: _entry(question["out_of_fold"], "mae"),
    ),
    (
        "shortlist_question_llm_tokens",
        "Tokens that LLMs read and wrote for the question.",
        lambda question: _tokens(question["llm"]),
    ),
    (
        "shortlist_question_llm_checks_agreed",
        "Texts that people checked blind and labelled as the LLM did.",
        lambda question: _entry(question["llm"] and question["llm"]["checks"], "agreed"),
    ),
    (
        "shortlist_question_llm_checks_disagreed",
        "Texts that people checked blind and labelled differently from the LLM.",
        lambda question: _entry(question["llm"] and question["llm"]["checks"], "disagreed"),
    ),
    (
        "shortlist_question_llm_ignored",
        "1 while the LLM's labels are not used, because people contradict them.",
        lambda question: None if question["llm"] is None else float(question["llm"]["are_labels_ignored"]),
    ),
    (
        "shortlist_question_drafts_left_out",
        "Texts without a draft, because the text or the LLM's draft was too long or empty.",
        lambda question: _entry(_drafts(question), "left_out"),
    ),
    (
        "shortlist_question_drafts_similarity",
        "Mean edit similarity of people's answers to drafts that they did not see, from 0 to 1.",
        lambda question: _entry(_drafts(question), "similarity"),
    ),
    (
        "shortlist_question_drafts_shown",
        "Answers of people who saw an LLM's draft.",
        lambda question: _entry(_drafts(question), "shown"),
    ),
    (
        "shortlist_question_drafts_kept",
        "Answers of people who kept an LLM's draft unchanged.",
        lambda question: _entry(_drafts(question), "kept"),
    ),
)


def metrics_text(service: Service) -> bytes:
    """Every metric in Prometheus' text format.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    registry = CollectorRegistry()
    registry.register(Collector(service))
    return generate_latest(registry)


class Collector:
    """Reads every metric when Prometheus asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, also those that no project has a value of."""
        rounds = self._service.rounds
        yield GaugeMetricFamily("shortlist_rounds_waiting", "Rounds that wait for a worker.", rounds.length())
        yield GaugeMetricFamily("shortlist_workers", "Living workers that run rounds.", rounds.living_workers())
        ids = known_projects(self._service.settings.model_dir)
        found = [status_or_fault(self._service, project_id) for project_id in ids]
        statuses = [status for status in found if not isinstance(status, Exception)]
        told = "Projects whose status cannot be read; the log says why."
        yield GaugeMetricFamily("shortlist_unreadable", told, len(ids) - len(statuses))
        yield from (_gauge(name, text, value, statuses) for name, text, value in _GAUGES)
        yield from (_question_gauge(name, text, value, statuses) for name, text, value in _QUESTION_GAUGES)
        yield _states(statuses)


def _gauge(
    name: str, text: str, value: Callable[[Status], float | None], statuses: Sequence[Status]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=["project"])
    for status in statuses:
        if (found := value(status)) is not None:
            gauge.add_metric([str(status["project"])], found)
    return gauge


def _question_gauge(
    name: str, text: str, value: Callable[[Status], float | None], statuses: Sequence[Status]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=["project", "question"])
    for status in statuses:
        for question in status["questions"]:
            if (found := value(question)) is not None:
                gauge.add_metric([str(status["project"]), question["name"]], found)
    return gauge


def _states(statuses: Sequence[Status]) -> GaugeMetricFamily:
    states = GaugeMetricFamily("shortlist_state", "1 for the state a project is in.", labels=["project", "state"])
    for status in statuses:
        for state in STATES:
            states.add_metric([str(status["project"]), state], float(status["state"] == state))
    return states


def _drafts(question: Status) -> Mapping[str, float | None] | None:
    drafts: Mapping[str, float | None] | None = question["llm"] and question["llm"]["drafts"]
    return drafts


def _tokens(llm: Mapping[str, float] | None) -> float | None:
    return None if llm is None else llm["prompt_tokens"] + llm["completion_tokens"]


def _entry(entries: Mapping[str, float | None] | None, name: str) -> float | None:
    return None if entries is None else entries[name]
