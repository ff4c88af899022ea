"""Let an LLM choose the texts to label before there is a classifier (after ActiveLLM; Bayer, Lutz and Reuter, 2024).

Beyond the study, several shuffled askings are merged, each shown text stands for a group of the pool, the LLM guesses
the label of each pick, and the batch is balanced over these labels and covers the pool. An LLM alone picks one-sidedly,
which costs more than its understanding of the texts gains (benchmarks/llm/llm.md).
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from model.errors import LLMError, UnreadableAnswerError
from model.links.label_rows import majority
from model.llm.asking.candidates import Candidates
from model.llm.asking.picks import PickedRows, ask_for_picks
from model.llm.asking.selection_prompt import SelectionPrompt, build_selection_prompt
from model.llm.chat import Chat
from model.llm.reading import match_label
from model.progress import Progress, ignore_progress
from model.query.diversity import unit
from model.query.herding import cover, maxherding
from model.query.unlabelled import check_embeddings
from model.types import IntArray, Targets

ASKINGS = 3
# Shown texts for each pick. With fewer shown texts an LLM's preferences matter less, and the question costs less. The
# study showed 200 texts for 32 picks.
SHOWN_PER_PICK = 3
# No LLM chooses hundreds of texts well; further picks come by further selections.
MOST_PICKS = 50
# Upper limit of labelled examples in a selection prompt.
MOST_EXAMPLES_SHOWN = 16


@dataclass(frozen=True)
class Pick:
    """A text that the LLM picked for labelling.

    Attributes:
        row: the text's row among the caller's texts.
        guess: the label that the LLM expects; empty if the LLM gave none.
        votes: how many askings picked the text; 0: no asking did, and the text fills up the batch.
        askings: how many askings gave a usable answer.
        score: the disagreement of a committee on the text, in nats; None without a committee.
    """

    row: int
    guess: str
    votes: int
    askings: int
    score: float | None = None


@dataclass(frozen=True)
class SelectedTexts:
    """The texts that LLMs chose for labelling.

    Attributes:
        picks: the texts in the order of labelling.
        failure: the error that cost an asking or a member its answer; None without an error.
    """

    picks: tuple[Pick, ...]
    failure: LLMError | None = None

    @property
    def rows_B(self) -> IntArray:
        """The rows of the picks, in order."""
        return np.array([pick.row for pick in self.picks], dtype=np.int64)


def select_texts(
    chat: Chat,
    candidates: Candidates,
    batch_size: int,
    rng: np.random.Generator,
    on_progress: Progress = ignore_progress,
) -> SelectedTexts:
    """Let an LLM choose a batch of N texts.

    Args:
        chat: the LLM.
        candidates: N texts. The labelled texts correct the balance, and some of them are shown as examples.
        batch_size: how many texts to choose; the LLM chooses 50 at most.
        rng: shuffles texts, and draws a sample of a large pool.
        on_progress: called with (askings done, askings).

    Returns:
        min(batch_size, N, 50) picks. If these are all texts, the LLM is not asked.

    Raises:
        LLMError: no asking gave a usable answer; the error is that of the last asking.
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
            # The LLM may answer another shuffle.
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
    """The prompt for a chat window: one asking, with the texts that `select_texts` would show."""
    batch_size = min(batch_size, MOST_PICKS, len(candidates))
    return _prompt(candidates, rng.permutation(show_groups(candidates, batch_size, rng)), batch_size, context_tokens)


def _prompt(candidates: Candidates, rows_M: IntArray, batch_size: int, context_tokens: int) -> SelectionPrompt:
    examples = _latest_examples(candidates.labelled)
    rows = rows_M.tolist()
    return build_selection_prompt(candidates.question, candidates.texts, rows, batch_size, context_tokens, examples)


def balanced(guesses: Mapping[int, str]) -> list[int]:
    """Reorder picks so that labels take turns and any beginning is balanced; the picks of a label keep their order."""
    of_label = Counter[str]()
    turns = []
    for row, label in guesses.items():
        turns.append((of_label[label], row))
        of_label[label] += 1
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def _latest_examples(labelled: Targets) -> list[tuple[str, str]]:
    """The latest labelled texts with their labels, without texts that have no label or on which people are split."""
    last = range(max(0, len(labelled) - MOST_EXAMPLES_SHOWN), len(labelled))
    latest = [(labelled.texts[row], majority(labelled.targets_N_C[row], labelled.label_set)) for row in last]
    return [(text, ", ".join(labels)) for text, labels in latest if labels]


def show_groups(candidates: Candidates, batch_size: int, rng: np.random.Generator) -> IntArray:
    """The texts that the prompt shows: each stands for its neighbours, all together for the pool (after CAL).

    Greedy k-medoids (`maxherding`) with three clusters for each pick. Rare groups are shown, every shown text is
    typical of a group, and a pool of any size costs the same.
    """
    check_embeddings(candidates.embeddings_N_D)
    return maxherding(candidates.embeddings_N_D, candidates.labelled_L_D, SHOWN_PER_PICK * batch_size, rng)


def merge_askings(
    answers: Sequence[PickedRows], shown: IntArray, candidates: Candidates, batch_size: int, rng: np.random.Generator
) -> list[Pick]:
    """Merge the picks of several askings into one batch, balanced over the labels that the LLM expects.

    Each step takes the label with the fewest texts among people's labels and the picks so far. Of the texts that any
    asking picked with this label, it takes the text that covers the pool best; of equal texts, the one with more votes.

    Args:
        answers: at least one.
        shown: the rows of the shown texts.
        candidates: all texts, and the labelled ones.
        batch_size: how many picks; texts without votes fill up the batch.
        rng: draws a sample of a large pool.
    """
    votes = Counter(row for answer in answers for row in answer.guesses)
    labels = candidates.question.labels
    guess = {row: _commonest_guess(answers, row, labels) for row in votes}
    unit_N_D = unit(candidates.embeddings_N_D)
    coverage = cover(unit_N_D, np.ones(len(unit_N_D)), unit(candidates.labelled_L_D), rng)
    per_label = Counter(dict(zip(labels, candidates.labelled.targets_N_C.sum(axis=0).tolist(), strict=True)))
    unpicked = set(shown.tolist())
    picks: list[Pick] = []
    while len(picks) < min(batch_size, len(shown)):
        rows = _of_the_rarest_label(unpicked, guess, per_label)
        gains_M = coverage.gains(unit_N_D[rows])
        row = rows[max(range(len(rows)), key=lambda i: (gains_M[i], votes[rows[i]]))]
        unpicked.discard(row)
        coverage.add(unit_N_D[[row]])
        per_label[guess.get(row, "")] += 1
        picks.append(Pick(row, guess.get(row, ""), votes[row], len(answers)))
    return picks


def _of_the_rarest_label(unpicked: Set[int], guess: Mapping[int, str], per_label: Mapping[str, float]) -> list[int]:
    """Rows with votes and the rarest label; all other rows once no row with votes is left."""
    picked = sorted(unpicked & guess.keys())
    if not picked:
        return sorted(unpicked)
    fewest = min(per_label[guess[row]] for row in picked)
    return [row for row in picked if per_label[guess[row]] == fewest]


def _commonest_guess(answers: Sequence[PickedRows], row: int, labels: Sequence[str]) -> str:
    """The label that most askings expect; of equally common labels, the label of the first asking."""
    matched = [match_label(answer.guesses[row], labels) for answer in answers if row in answer.guesses]
    expected = [label for label in matched if label]
    return Counter(expected).most_common(1)[0][0] if expected else ""
