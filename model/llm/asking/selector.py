"""Let an LLM choose what to label while nobody knows anything yet (after ActiveLLM; Bayer, Lutz and Reuter, 2024).

Where it goes past the study: several shuffled askings are merged, a pool is shown through texts that each stand for a
group, the LLM says which label it expects, and the chosen set is balanced over those labels and covers the pool: by
itself an LLM picks one-sidedly, and that costs more than its reading gains (benchmarks/llm.md).
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from model.errors import LLMError, UnreadableAnswerError
from model.llm.asking.candidates import Candidates
from model.llm.asking.picks import PickedRows, ask_for_picks
from model.llm.asking.selection_prompt import SelectionPrompt, build_selection_prompt
from model.llm.chat import Chat
from model.llm.reading import majority, match_label
from model.progress import Progress, ignore_progress
from model.query.diversity import unit
from model.query.herding import cover, maxherding
from model.query.unlabelled import check_embeddings
from model.types import IntArray, Targets

ASKINGS = 3
# Texts shown for each that is to be picked. Fewer to choose from leave less to what an LLM likes, and cost less: the
# study showed 200 for 32.
SHOWN_PER_PICK = 3
# No LLM chooses hundreds of texts well; what is asked for beyond that comes by further selections.
MOST_PICKS = 50
# Examples that an iterated selection is shown.
MOST_EXAMPLES_SHOWN = 16


@dataclass(frozen=True)
class Pick:
    """A text to be labelled.

    Attributes:
        guess: the label that the LLM expects; empty if it said none.
        votes: how many askings picked it; 0: nobody did, and it fills a place that was left.
        askings: how many gave an answer of use.
        score: how much a committee disagrees on it, in nats; None where none sat.
    """

    row: int
    guess: str
    votes: int
    askings: int
    score: float | None = None


@dataclass(frozen=True)
class SelectedTexts:
    """What to label next, first = next.

    Attributes:
        failure: why there were fewer askings than planned, if there were.
    """

    picks: tuple[Pick, ...]
    failure: LLMError | None = None

    @property
    def rows_B(self) -> IntArray:
        """Rows of the texts to choose from, in order."""
        return np.array([pick.row for pick in self.picks], dtype=np.int64)


def select_texts(
    chat: Chat,
    candidates: Candidates,
    batch_size: int,
    rng: np.random.Generator,
    on_progress: Progress = ignore_progress,
) -> SelectedTexts:
    """Have an LLM choose a batch of N texts.

    Args:
        chat: the LLM.
        candidates: N texts. What has labels already corrects the balance, and some of it is shown as examples.
        batch_size: how many to choose; an LLM is asked for 50 at most.
        rng: for shuffles, and what stands for a large pool.
        on_progress: called with (askings done, askings).

    Returns:
        min(batch_size, N, 50) picks; where that is all there is, nobody is asked.

    Raises:
        LLMError: no asking gave an answer of use; the last one's reason.
    """
    batch_size = min(batch_size, MOST_PICKS, len(candidates))
    shown = show_groups(candidates, batch_size, rng)
    if len(shown) <= batch_size:
        return SelectedTexts(tuple(Pick(row, "", 0, 0) for row in shown.tolist()))
    answers: list[PickedRows] = []
    failure: LLMError | None = None
    for asking in range(ASKINGS):
        prompt = _prompt(candidates, rng.permutation(shown), batch_size, chat.context_tokens)
        try:
            answers.append(ask_for_picks(chat, prompt))
        except UnreadableAnswerError as error:
            # Another shuffle is another try.
            failure = error
        except LLMError as error:
            failure = error
            break
        on_progress(asking + 1, ASKINGS)
    if not answers:
        raise failure or LLMError("the LLM was not asked")
    return SelectedTexts(tuple(merge_askings(answers, shown, candidates, batch_size, rng)), failure)


def prompt_for_pasting(
    candidates: Candidates, batch_size: int, context_tokens: int, rng: np.random.Generator
) -> SelectionPrompt:
    """What to paste into a chat window: one asking, of the same texts as an LLM with a key would be shown."""
    batch_size = min(batch_size, MOST_PICKS, len(candidates))
    return _prompt(candidates, rng.permutation(show_groups(candidates, batch_size, rng)), batch_size, context_tokens)


def _prompt(candidates: Candidates, rows_M: IntArray, batch_size: int, context_tokens: int) -> SelectionPrompt:
    examples = _examples(candidates.labelled)
    rows = rows_M.tolist()
    return build_selection_prompt(candidates.question, candidates.texts, rows, batch_size, context_tokens, examples)


def balanced(guesses: Mapping[int, str]) -> list[int]:
    """Picks with those of each label in turn, each label's own in the order given: any beginning is balanced."""
    of_label = Counter[str]()
    turns = []
    for row, label in guesses.items():
        turns.append((of_label[label], row))
        of_label[label] += 1
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def _examples(labelled: Targets) -> list[tuple[str, str]]:
    """The latest labelled texts with their labels, but for those that have none or on which people are split."""
    last = range(max(0, len(labelled) - MOST_EXAMPLES_SHOWN), len(labelled))
    said = [(labelled.texts[row], majority(labelled.targets_N_C[row], labelled.label_set)) for row in last]
    return [(text, ", ".join(labels)) for text, labels in said if labels]


def show_groups(candidates: Candidates, batch_size: int, rng: np.random.Generator) -> IntArray:
    """The texts that an LLM is shown: each stands for those nearest to it, all together for the pool (after CAL).

    Greedy k-medoids (`maxherding`), three clusters a pick: so rare groups are seen, whatever is picked is typical of
    some, and a pool of any size costs the same.
    """
    check_embeddings(candidates.embeddings_N_D)
    return maxherding(candidates.embeddings_N_D, candidates.labelled_L_D, SHOWN_PER_PICK * batch_size, rng)


def merge_askings(
    answers: Sequence[PickedRows], shown: IntArray, candidates: Candidates, batch_size: int, rng: np.random.Generator
) -> list[Pick]:
    """Merge askings into one batch, balanced over the labels that the LLM expects.

    Each pick is of the label of which people and picks so far have fewest, and of what any asking picked of that
    label the text that brings the pool nearest to a label; the one with more votes, of equals.

    Args:
        answers: at least one.
        shown: the rows that were shown.
        candidates: all texts, and what people labelled so far.
        batch_size: how many picks; texts that nobody picked fill what is left.
        rng: for what stands for a large pool.
    """
    votes = Counter(row for answer in answers for row in answer.guesses)
    labels = candidates.question.labels
    guess = {row: _commonest_guess(answers, row, labels) for row in votes}
    unit_N_D = unit(candidates.embeddings_N_D)
    coverage = cover(unit_N_D, np.ones(len(unit_N_D)), unit(candidates.labelled_L_D), rng)
    per_label = Counter(dict(zip(labels, candidates.labelled.targets_N_C.sum(axis=0).tolist(), strict=True)))
    waiting = set(shown.tolist())
    picks: list[Pick] = []
    while len(picks) < min(batch_size, len(shown)):
        rows = _of_the_rarest_label(waiting, guess, per_label)
        gains_M = coverage.gains(unit_N_D[rows])
        row = rows[max(range(len(rows)), key=lambda i: (gains_M[i], votes[rows[i]]))]
        waiting.discard(row)
        coverage.add(unit_N_D[[row]])
        per_label[guess.get(row, "")] += 1
        picks.append(Pick(row, guess.get(row, ""), votes[row], len(answers)))
    return picks


def _of_the_rarest_label(waiting: Set[int], guess: Mapping[int, str], per_label: Mapping[str, float]) -> list[int]:
    """Rows that somebody picked, of the label of which there are fewest; where none is left, the others."""
    picked = sorted(waiting & guess.keys())
    if not picked:
        return sorted(waiting)
    fewest = min(per_label[guess[row]] for row in picked)
    return [row for row in picked if per_label[guess[row]] == fewest]


def _commonest_guess(answers: Sequence[PickedRows], row: int, labels: Sequence[str]) -> str:
    """The label that most askings expect; the first one's where they differ evenly."""
    said = [match_label(answer.guesses[row], labels) for answer in answers if row in answer.guesses]
    known = [label for label in said if label]
    return Counter(known).most_common(1)[0][0] if known else ""
