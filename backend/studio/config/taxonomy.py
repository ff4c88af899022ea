"""Taxonomy tag of a labeling config, or Choices with choices inside choices → a taxonomy: the paths of its tree."""

from collections.abc import Iterator
from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.labeling_config import ParsedConfig
from backend.studio.config.meaning import described_label, question_above
from backend.studio.config.spelling import is_true
from model.tasks.label_names import Meaning, label_words
from model.tasks.taxonomy.task import SEPARATOR, Path, Taxonomy
from model.types import LabelSet


def read_taxonomy(config: ParsedConfig, control: Any) -> Taxonomy:
    """Read a `Taxonomy` over a text.

    Args:
        config: the labeling config.
        control: the `Taxonomy`.

    Raises:
        UnsupportedConfigError: the tree has fewer than two paths, comes from elsewhere, or marks spans of a text.
    """
    name = control.name
    if control.attr.get("apiUrl"):
        raise UnsupportedConfigError(
            f"Taxonomy {name!r} takes its tree from apiUrl: write the tree as Choice tags in the labeling config"
        )
    if is_true(control.attr.get("labeling", "")):
        raise UnsupportedConfigError(
            f'Taxonomy {name!r} labels spans of a text: without labeling="true" it is about the whole text'
        )
    return read_tree(config, control, may_have_several=control.attr.get("maxUsages") != "1")


def read_tree(config: ParsedConfig, control: Any, *, may_have_several: bool) -> Taxonomy:
    """Read a control with choices inside choices.

    Args:
        config: the labeling config.
        control: the `Taxonomy` or `Choices`.
        may_have_several: whether annotators may choose several paths.

    Raises:
        UnsupportedConfigError: the tree has fewer than two paths, or two paths that read the same.
    """
    tag = config.tag_of(control)
    # Nested choices are chosen by their leaves: a parent only stands for all of them.
    leaves_only = control.tag == "Choices" or is_true(control.attr.get("leafsOnly", ""))
    choices = dict(_choices(tag, (), leaves_only=leaves_only))
    labels = tuple(map(SEPARATOR.join, choices))
    if len(labels) < 2:
        raise UnsupportedConfigError(
            f"{control.tag} {control.name!r} has {len(labels)} paths written in the config; two or more are needed "
            "(a tree that comes from each task's data cannot be learned)"
        )
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise UnsupportedConfigError(
            f"{control.tag} {control.name!r} has two paths that read {twice!r}: rename a choice"
        )
    texts = {SEPARATOR.join(path): _description(path, choice) for path, choice in choices.items()}
    return Taxonomy(
        control=control.name,
        to_name=config.text_name(control),
        fields=config.fields_of(control),
        label_set=LabelSet(labels, is_multilabel=False),
        paths=tuple(choices),
        kind=control.tag.lower(),
        may_have_several=may_have_several,
        meaning=Meaning({label: text for label, text in texts.items() if text}, question_above(tag)),
    )


def _choices(parent: Any, above: Path, *, leaves_only: bool) -> Iterator[tuple[Path, Any]]:
    """Every path below a tag that can be chosen, with its Choice; a parent stands before what is inside it."""
    for choice in _inside(parent):
        name = choice.get("alias") or choice.get("value")
        if not name:
            continue
        path = (*above, name)
        if not leaves_only or next(_inside(choice), None) is None:
            yield path, choice
        yield from _choices(choice, path, leaves_only=leaves_only)


def _description(path: Path, choice: Any) -> str:
    """The words of a path whose last choice has an alias or a hint; empty for a path of bare names."""
    described = described_label(choice)
    return " ".join([*map(label_words, path[:-1]), described]) if described else ""


def _inside(tag: Any) -> Iterator[Any]:
    """The nearest Choice tags below a tag, past Views and other tags."""
    for child in tag:
        if child.tag == "Choice":
            yield child
        elif isinstance(child.tag, str):
            yield from _inside(child)
