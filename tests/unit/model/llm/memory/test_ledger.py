import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.errors import LLMBudgetError
from model.llm.chat import Reply
from model.llm.memory.ledger import Ledger, Spent


@pytest.fixture
def file(tmp_path):
    return tmp_path / "llm" / "ledger.json"


def test_a_new_account_is_empty(file):
    assert Ledger(file).read() == Spent()
    assert not file.parent.exists()


def test_answers_failures_and_what_was_remembered_add_up_and_are_kept(file):
    ledger = Ledger(file)
    ledger.add(Reply("3", prompt_tokens=100, completion_tokens=20))
    ledger.add(Reply("4", prompt_tokens=10, completion_tokens=2))
    ledger.add_remembered()
    ledger.add_failed()
    ledger.add_failed(prompt_tokens=1000)
    expected = Spent(asked=4, from_cache=1, prompt_tokens=1110, completion_tokens=22, failed=2)
    assert Ledger(file).read() == expected
    assert Ledger(file).read().tokens == 1132
    assert json.loads(file.read_text(encoding="utf-8"))["record"]["prompt_tokens"] == 1110
    assert [path.name for path in file.parent.iterdir()] == ["ledger.json"]


def test_the_limit_may_be_reached_and_not_passed(file):
    ledger = Ledger(file, limit_tokens=1000)
    ledger.add(Reply("3", prompt_tokens=700, completion_tokens=100))
    ledger.check(200)
    with pytest.raises(LLMBudgetError, match=r"about 201 tokens; 800 of LLM_MAX_TOKENS_TOTAL=1,000 are spent"):
        ledger.check(201)


def test_without_a_limit_nothing_is_refused(file):
    Ledger(file).check(10**12)


def test_a_provider_that_never_answers_uses_the_limit_up(file):
    ledger = Ledger(file, limit_tokens=1000)
    for _ in range(3):
        ledger.check(300)
        ledger.add_failed(prompt_tokens=300)
    with pytest.raises(LLMBudgetError):
        ledger.check(300)


def test_the_cost_is_known_where_prices_are(file):
    ledger = Ledger(file, price_per_million=(2.0, 6.0))
    assert ledger.cost == 0
    ledger.add(Reply("3", prompt_tokens=500_000, completion_tokens=1_000_000))
    assert ledger.cost == pytest.approx(7.0)
    assert Ledger(file).cost is None


def test_threads_lose_no_entry(file):
    ledger = Ledger(file)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ledger.add(Reply("3", 1, 1)), range(100)))
    assert ledger.read() == Spent(asked=100, prompt_tokens=100, completion_tokens=100)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"asked": -1}', '{"asked": "3"}', '{"prompt_tokens": 1.5}', "\0"])
def test_a_damaged_account_is_refused_not_taken_for_an_empty_one(file, content):
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    with pytest.raises(LLMBudgetError, match=r"ledger\.json cannot be read.*delete it"):
        Ledger(file, limit_tokens=10).check(1)
    with pytest.raises(LLMBudgetError):
        Ledger(file, limit_tokens=10).add(Reply("3"))
    assert file.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("content", ["", "{", "[]", "\0"])
def test_without_a_limit_a_damaged_account_is_set_aside_and_begins_anew(file, content):
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    Ledger(file).add(Reply("3", prompt_tokens=1))
    assert Ledger(file).read() == Spent(asked=1, prompt_tokens=1)
    assert file.with_name("ledger.json.broken").read_text(encoding="utf-8") == content


def test_what_one_question_costs_is_in_its_own_account_and_in_the_projects_whose_limit_holds(tmp_path):
    whole = Ledger(tmp_path / "ledger.json", limit_tokens=100)
    parts = [Ledger(tmp_path / f"{name}.json", part_of=whole) for name in ("mood", "stars")]
    for part, tokens in zip(parts, (30, 50), strict=True):
        part.check(tokens)
        part.add(Reply("3", prompt_tokens=tokens))
    parts[0].add_remembered()
    assert [part.read().tokens for part in parts] == [30, 50]
    assert whole.read() == Spent(asked=2, from_cache=1, prompt_tokens=80)
    with pytest.raises(LLMBudgetError, match="80 of LLM_MAX_TOKENS_TOTAL=100 are spent"):
        parts[0].check(21)


def test_two_who_count_at_once_lose_nothing(file):
    """Two ledgers of one file stand for two processes: a round, and a command beside it."""
    ledgers = [Ledger(file), Ledger(file)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda place: ledgers[place % 2].add(Reply("x", prompt_tokens=1)), range(100)))
    assert Ledger(file).read() == Spent(asked=100, prompt_tokens=100)
