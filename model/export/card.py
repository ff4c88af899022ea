"""The model card: the answers, origin, figures and use of a classifier."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from model.encoder.encoder import MAX_CHARACTERS, MAX_CHUNKS
from model.export.answers import AnswerForm
from model.export.encoder_source import EncoderSource, encoder_source
from model.export.exported import Exported
from model.learner.evaluation import Evaluation

_TEMPLATES = Path(__file__).with_name("templates")
# Characters with a meaning in a line of Markdown; HTML's characters are escaped before.
_MEANINGFUL = re.compile(r"[\\`*_\[\]|~$!#]")


def write_card(exported: Exported, file: Path, format_name: str) -> None:
    """Write a model card in the form of Hugging Face's.

    Args:
        exported: the model version.
        file: where to write.
        format_name: name of the format and of the library that reads it; a template of that name says how to use it.
    """
    source = encoder_source(exported.version.encoder)
    metadata = _metadata(exported, source, format_name).to_yaml()
    facts = _facts(exported, source)
    text = _rendered("card", {**facts, "usage": _rendered(format_name, facts)})
    file.write_text(f"---\n{metadata}\n---\n\n{text}", encoding="utf-8")


def _rendered(template: str, facts: dict[str, Any]) -> str:
    # The result is no HTML; `as_markdown` escapes words from outside.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string((_TEMPLATES / f"{template}.md").read_text(encoding="utf-8")).render(facts)


def as_markdown(text: str) -> str:
    """Escape a text so that Markdown and HTML show it unchanged, on one line.

    Args:
        text: anything from outside.
    """
    line = "".join(character if character.isprintable() else " " for character in text)
    return _MEANINGFUL.sub(r"\\\g<0>", html.escape(line, quote=False))


def _metadata(exported: Exported, source: EncoderSource, library: str) -> ModelCardData:
    measured = exported.version.out_of_fold
    return ModelCardData(
        base_model=source.hub_name or None,
        license=source.licence or None,
        library_name=library,
        pipeline_tag="text-classification",
        tags=["shortlist", "label-studio", "active-learning"],
        model_name=f"project-{exported.project}-model-{exported.version.number}",
        eval_results=list(_eval_results(exported.project, measured)) if measured else None,
    )


def _eval_results(project: int, measured: Evaluation) -> Iterator[EvalResult]:
    figures = {
        "accuracy": measured.accuracy,
        "f1": measured.macro_f1,
        "expected_calibration_error": measured.calibration_error,
    }
    for metric, value in figures.items():
        yield EvalResult(
            task_type="text-classification",
            dataset_type=f"label-studio-project-{project}",
            dataset_name=f"Label Studio project {project}, out of fold",
            metric_type=metric,
            metric_name="macro F1" if metric == "f1" else metric.replace("_", " "),
            metric_value=round(value, 4),
        )


def _facts(exported: Exported, source: EncoderSource) -> dict[str, Any]:
    version, config = exported.version, exported.classifier.config
    counts = version.labels_by_class or ("unknown",) * len(config.labels)
    question = f", question {as_markdown(version.question)}," if version.question else ""
    return {
        "title": f"Model version {version.number} of project {exported.project}",
        "shortlist": exported.shortlist,
        "answers": _answers(exported.form, len(config.labels)),
        "classes": list(zip(map(as_markdown, config.labels), counts, strict=True)),
        "encoder": as_markdown(source.name),
        "encoder_licence": f", licence {as_markdown(source.licence)}" if source.licence else _unknown_licence(source),
        "labels": version.labels,
        "weak_labels": f", and {version.weak_labels} by an LLM" if version.weak_labels else "",
        "recipe": version.recipe_used,
        "trained_at": f", {version.created_at[:16].replace('T', ' ')} UTC" if version.created_at else "",
        "version": version.number,
        "question": question,
        "project": exported.project,
        "temperature": round(config.temperature, 4),
        "measured": _measured(version.out_of_fold),
        "right": exported.classifier.link.right,
        "warnings": list(map(as_markdown, version.warnings)),
        "several": exported.form is AnswerForm.SEVERAL,
        "of_likeliest": exported.form is AnswerForm.MEDIAN,
        "max_tokens": exported.classifier.encoder.config.max_tokens,
        "limits": _limits(exported),
    }


def _unknown_licence(source: EncoderSource) -> str:
    page = f" (https://huggingface.co/{source.hub_name})" if source.hub_name else ""
    return f"; see its own page for its licence{page}, which holds for this classifier too"


def _answers(form: AnswerForm, classes: int) -> str:
    return {
        AnswerForm.LIKELIEST: f"which one of {classes} labels a text has",
        AnswerForm.SEVERAL: f"which of {classes} labels a text has: none, one or several",
        AnswerForm.MEDIAN: f"how many stars a text gets, 1 to {classes}: the median of the stars' probabilities",
    }[form]


def _measured(measured: Evaluation | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    return {
        "accuracy": f"{measured.accuracy:.1%}",
        "macro_f1": f"{measured.macro_f1:.3f}",
        "calibration_error": f"{measured.calibration_error:.3f}",
        "texts": measured.texts,
    }


def _limits(exported: Exported) -> list[str]:
    tokens = exported.classifier.encoder.config.max_tokens
    said = [
        f"Of a text {MAX_CHUNKS} pieces of {tokens} tokens are read at most, spread evenly, and nothing after its "
        f"{MAX_CHARACTERS:,}th character.",
    ]
    if exported.is_markup:
        said.append(
            "The project's texts are HTML. Shortlist learned their words without the markup; this folder reads a text "
            "as it is. Take the markup out before."
        )
    return said
