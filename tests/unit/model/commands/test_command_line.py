"""The command line, as somebody at a terminal meets it."""

import json

import pytest
from typer.testing import CliRunner

from model.commands.command_line import app
from model.query.strategies import STRATEGIES
from tests.fakes import BLAME, NEUTRAL, PRAISE


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "pool.jsonl"
    rows = [
        {"text": f"{noun} {word} {other}", "label": "pos" if word in PRAISE else "neg"}
        for noun in NEUTRAL
        for word in (*PRAISE, *BLAME)
        for other in NEUTRAL[:2]
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def simulate(data, encoder, tmp_path):
    """Two strategies and two seeds on the tiny encoder's texts, and more words."""

    def simulate(*more: object):
        few = ("--strategy", "random", "--strategy", "margin", "--budget", "6,12", "--seeds", "0,1")
        return run("simulate", "--data", data, *few, "--recipe", "head", "--encoder", encoder, *more)

    return simulate


def test_strategies_are_named_one_a_line():
    assert run("strategies").stdout.split("\n") == [*STRATEGIES, ""]
    assert json.loads(run("strategies", "--json").stdout) == list(STRATEGIES)


def test_a_line_a_strategy_seed_and_budget_goes_to_stdout(simulate):
    result = simulate()
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0, result.stderr
    assert [(line["strategy"], line["seed"], line["labels"]) for line in lines] == [
        (strategy, seed, labels) for seed in (0, 1) for strategy in ("random", "margin") for labels in (6, 12)
    ]
    assert list(lines[0]) == ["strategy", "seed", "labels", "accuracy", "macro_f1", "fit_s", "query_s"]


def test_a_table_and_advice_go_to_the_terminal(simulate):
    said = simulate().stderr
    assert "against random" in said
    assert "margin" in said
    assert "fewer than 3 seeds" in said.splitlines()[-1]


def test_lines_go_to_a_file_and_the_report_beside_it(simulate, tmp_path):
    out, report = tmp_path / "deep" / "points.jsonl", tmp_path / "report.html"
    result = simulate("--out", out, "--report", report)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 9
    assert lines[-1]["strategy"] == "full_pool"
    assert "Which query strategy" in report.read_text(encoding="utf-8")


def test_a_file_that_has_lines_is_not_mixed_with_new_ones_unasked(simulate, tmp_path):
    out = tmp_path / "points.jsonl"
    simulate("--out", out)
    before = out.read_text(encoding="utf-8")
    result = simulate("--out", out)
    assert result.exit_code == 1
    assert "--resume" in result.stderr
    assert out.read_text(encoding="utf-8") == before


def test_a_run_that_was_cut_short_goes_on_where_it_was(simulate, tmp_path):
    out = tmp_path / "points.jsonl"
    simulate("--out", out)
    whole = out.read_text(encoding="utf-8").splitlines()
    out.write_text("\n".join(whole[:5]) + "\n", encoding="utf-8")
    assert simulate("--out", out, "--resume").exit_code == 0
    resumed = out.read_text(encoding="utf-8").splitlines()
    assert resumed[:5] == whole[:5]
    without_seconds = [[{**json.loads(line), "fit_s": 0, "query_s": 0} for line in lines] for lines in (whole, resumed)]
    assert without_seconds[0] == without_seconds[1]


def test_a_run_on_other_data_or_with_other_options_is_not_resumed(simulate, tmp_path):
    out = tmp_path / "points.jsonl"
    simulate("--out", out)
    result = simulate("--out", out, "--resume", "--explore", "0.5")
    assert result.exit_code == 1
    assert "other data or with other options" in result.stderr


def test_a_line_that_a_killed_run_left_torn_is_measured_again(simulate, tmp_path):
    out = tmp_path / "points.jsonl"
    simulate("--out", out)
    whole = out.read_text(encoding="utf-8")
    out.write_text(whole[:-40], encoding="utf-8")
    assert simulate("--out", out, "--resume").exit_code == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(whole.splitlines())


def test_a_line_that_is_no_point_is_named(simulate, tmp_path):
    out = tmp_path / "points.jsonl"
    simulate("--out", out)
    out.write_text(out.read_text(encoding="utf-8") + '{"a": 1}\n', encoding="utf-8")
    result = simulate("--out", out, "--resume")
    assert result.exit_code == 1
    assert "line 9 is not from a simulation" in result.stderr


def test_a_report_that_cannot_be_written_is_said_before_anything_is_measured(simulate, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = simulate("--report", tmp_path / "file" / "report.html")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_an_unknown_strategy_is_answered_with_the_names_there_are(simulate):
    result = simulate("--strategy", "bold")
    assert result.exit_code == 1
    assert "'bold': choose one of random, " in result.stderr
    assert result.stdout == ""


def test_a_users_function_is_simulated_beside_named_strategies(simulate):
    hooks = [f"tests.ordering_hooks:{name}" for name in ("longest_first", "doubtful_first", "far_first", "by_members")]
    result = simulate(*(word for hook in hooks for word in ("--strategy", hook)), "--cold-start", hooks[0])
    assert result.exit_code == 0, result.stderr
    strategies = [json.loads(line)["strategy"] for line in result.stdout.splitlines()]
    assert strategies[::2] == ["random", "margin", *hooks] * 2


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("nope:x", "invalid_hook: the ordering hook 'nope:x' cannot be imported"),
        ("tests.ordering_hooks:undeclared", "@returns_scores"),
        ("tests.ordering_hooks:broken", "hook_failed: ordering hook tests.ordering_hooks:broken raised KeyError"),
    ],
)
def test_a_function_that_does_not_work_ends_a_simulation_in_one_line(simulate, hook, told):
    result = simulate("--strategy", hook)
    assert result.exit_code == 1
    assert told in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--data FILE or --project ID"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
        (("--data", "{data}", "--project", "1"), "one of them"),
        (("--data", "{data}", "--budget", "8,x"), "--budget takes whole numbers"),
        (("--data", "{data}", "--seeds", ""), "--seeds takes whole numbers"),
        (("--data", "{data}", "--seeds", "0,-1"), "--seeds takes numbers from 0 on"),
        (("--data", "{data}", "--cold-start", "margin"), "takes a classifier"),
        (("--data", "{data}", "--budget", "8,400"), "more than the pool's 64 texts"),
        (("--data", "{data}", "--pool", "9"), "the pool has 9 texts"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_sentence(data, words, told):
    result = run("simulate", *(word.format(data=data) for word in words))
    assert result.exit_code == 1
    assert told in result.stderr


@pytest.fixture
def answers(tmp_path):
    """A file whose texts answer a mood, and every second one stars."""
    path = tmp_path / "answers.jsonl"
    texts = [f"{noun} {word} {other}" for noun in NEUTRAL for word in (*PRAISE, *BLAME) for other in NEUTRAL[:2]]
    rows = []
    for row, text in enumerate(texts):
        is_praise = any(word in text for word in PRAISE)
        stars = {"urgency": 4 if is_praise else 1} if row % 2 else {}
        rows.append({"text": text, "answers": {"mood": "pos" if is_praise else "neg", **stars}})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def simulate_answers(answers, encoder):
    """Two strategies and one seed on texts with two questions, and more words."""

    def simulate_answers(*more: object):
        few = ("--strategy", "random", "--strategy", "margin", "--budget", "6,12", "--seeds", "0")
        return run("simulate", "--data", answers, *few, "--recipe", "head", "--encoder", encoder, *more)

    return simulate_answers


def test_several_questions_have_a_line_each_with_their_name_and_stars_their_error(simulate_answers, tmp_path):
    report = tmp_path / "report.html"
    result = simulate_answers("--report", report)
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["strategy"], line["labels"], line["question"]) for line in lines[:4]] == [
        ("random", 6, "mood"),
        ("random", 6, "urgency"),
        ("random", 12, "mood"),
        ("random", 12, "urgency"),
    ]
    fixed = ["strategy", "seed", "labels", "accuracy", "macro_f1", "fit_s", "query_s", "question"]
    assert list(lines[0]) == fixed
    assert list(lines[1]) == [*fixed, "mae"]
    assert [(line["strategy"], line["question"]) for line in lines[8:]] == [
        ("full_pool", "mood"),
        ("full_pool", "urgency"),
    ]
    assert ["mood" in result.stderr, "all questions together" in result.stderr] == [True, True]
    assert result.stderr.count("stars off at last") == 1
    assert '<h2 id="question-2">urgency</h2>' in report.read_text(encoding="utf-8")


def test_a_run_with_questions_goes_on_where_it_was_and_not_with_others(simulate_answers, tmp_path):
    out = tmp_path / "points.jsonl"
    assert simulate_answers("--out", out).exit_code == 0
    whole = out.read_text(encoding="utf-8").splitlines()
    out.write_text("\n".join(whole[:3]) + "\n", encoding="utf-8")
    assert simulate_answers("--out", out, "--resume").exit_code == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(whole) == 8
    result = simulate_answers("--out", out, "--resume", "--ask-for", "mood")
    assert result.exit_code == 1
    assert "other data or with other options" in result.stderr


def test_a_question_that_everybody_answers_alike_is_left_out_and_said(simulate_answers, answers):
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    said = [{**row, "answers": {**row["answers"], "[tone]": "calm"}} for row in rows]
    answers.write_text("".join(f"{json.dumps(row)}\n" for row in said), encoding="utf-8")
    result = simulate_answers()
    assert result.exit_code == 0, result.stderr
    assert "Left out: '[tone]' needs at least 2 different labels, found ['calm']" in result.stderr
    assert {json.loads(line)["question"] for line in result.stdout.splitlines()} == {"mood", "urgency"}


def test_ask_for_must_name_a_question_of_the_texts(simulate_answers):
    assert simulate_answers("--ask-for", "urgency", "--ask-for", "mood").exit_code == 0
    result = simulate_answers("--ask-for", "tone")
    assert result.exit_code == 1
    assert "--ask-for 'tone': the texts answer 'mood', 'urgency'" in result.stderr


def test_labels_of_any_question_can_be_described(simulate_answers, tmp_path):
    described = tmp_path / "labels.json"
    described.write_text('{"pos": "good", "neg": "bad"}', encoding="utf-8")
    assert simulate_answers("--describe", described).exit_code == 0
    described.write_text('{"angry": "bad"}', encoding="utf-8")
    assert "'angry'" in simulate_answers("--describe", described).stderr


def test_budgets_default_to_those_that_the_pool_can_fill(data, encoder):
    few = ("--strategy", "random", "--seeds", "0", "--recipe", "head", "--encoder", encoder)
    lines = [json.loads(line) for line in run("simulate", "--data", data, *few).stdout.splitlines()]
    assert [line["labels"] for line in lines] == [16, 32, 64]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f'{{"text": "text {"abcdefghij"[row]}"}}\n' for row in range(10)), encoding="utf-8")
    return path


def test_a_prompt_shows_the_first_texts_by_their_place(texts):
    result = run("prompt", "--data", texts, "--select", 3, "--show", 4, "--title", "Mails", "--labels", "spam, ham")
    assert result.exit_code == 0, result.stderr
    assert '0: "text a"\n1: "text b"\n2: "text c"\n3: "text d"\n</texts>' in result.stdout
    assert "Choose exactly 3 of them" in result.stdout
    assert '"Mails"' in result.stdout
    assert '"spam", "ham"' in result.stdout


def test_labels_of_a_prompt_default_to_those_in_the_file(data):
    assert 'these 2 labels: "neg", "pos"' in run("prompt", "--data", data, "--select", 8).stdout


def test_a_prompt_with_a_seed_draws_texts_and_says_which(texts):
    first, again, other = (run("prompt", "--data", texts, "--show", 4, "--seed", seed) for seed in (1, 1, 2))
    assert first.stdout == again.stdout != other.stdout
    rows = json.loads(first.stderr.split("counted from 0: ")[1])
    assert f'3: "text {"abcdefghij"[rows[3]]}"\n</texts>' in first.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "has no lines"),
        ("{text}\n", "line 1 is not JSON"),
        ("[1]\n", "line 1 is not a JSON object"),
        ('{"text": "a"}\n\n{"label": "x"}\n', 'line 3: needs a "text"'),
    ],
)
def test_texts_that_cannot_be_shown_are_named(tmp_path, content, told):
    path = tmp_path / "texts.jsonl"
    path.write_text(content, encoding="utf-8")
    result = run("prompt", "--data", path, "--select", 3)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert told in result.stderr


def test_a_command_that_somebody_interrupts_says_so_by_130(texts, monkeypatch):
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("model.commands.llm._rows", interrupt)
    assert run("prompt", "--data", texts).exit_code == 130


def test_a_context_that_is_too_small_for_a_prompt_is_said(texts):
    result = run("prompt", "--data", texts, "--select", 3, "--context", 1000)
    assert result.exit_code == 1
    assert "llm_context" in result.stderr


def parsed(answer: str, *words: object):
    return CliRunner().invoke(app, ["parse", *(str(word) for word in words)], input=answer, env={"NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("I choose 5, 3 and 17.", [5, 3, 17]),
        ("5, 3, 17, 20", [5, 3, 17]),
        ("5, 999, 17", [5, 17]),
        ("5, 999, 17, 3", [5, 17, 3]),
        ("5, 20, 3", [5, 20, 3]),
        ("1045, 1050, 1049, 1053, 1060, 1046, 1057, 1047", [1045, 1050, 1049]),
    ],
    ids=["as asked", "too many", "out of range", "cut after that", "one off", "numbered from elsewhere"],
)
def test_an_answer_is_parsed_to_a_list_on_stdout(answer, numbers):
    result = parsed(answer, "--select", 3, "--presented", 20)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == numbers


@pytest.mark.parametrize(
    ("answer", "told"),
    [("I cannot choose.", "asked for the numbers of 3 texts, read 0"), ("998, 999, 997", "none of the 3 numbers")],
)
def test_an_answer_that_chooses_nothing_ends_in_a_reason(answer, told):
    result = parsed(answer, "--select", 3, "--presented", 20)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert told in result.stderr


def test_many_answers_are_parsed_a_line_each(tmp_path):
    path = tmp_path / "answers.jsonl"
    rows = [
        {"answer": "3, 5, 9", "select": 2, "presented": 20},
        {"answer": "no", "select": 2, "presented": 20},
        {"answer": "3, 500", "select": 2, "presented": None},
        {"answer": None, "select": None},
        {"answer": "3, 5, 9, 4"},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    result = run("parse", "--jsonl", path, "--select", 3)
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line) for line in result.stdout.splitlines()] == [[3, 5], None, [3, 500], None, [3, 5, 9]]


def test_a_file_of_answers_that_is_none_is_named(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("3, 5, 9\n", encoding="utf-8")
    result = run("parse", "--jsonl", path)
    assert result.exit_code == 1
    assert "line 1 is not JSON" in result.stderr
