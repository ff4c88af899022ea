import csv
import errno
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.commands.models.tables import BLOCK
from model.encoder.inference import score_texts
from model.export.answers import AnswerForm, plain_answers
from tests.exports import TEXTS, a_classifier, assert_same, write_version
from tests.fakes import SENTIMENT
from tests.unit.backend.web.test_answering import ABOUT, STARS, TWO_QUESTIONS


@pytest.fixture
def classify(command, tmp_path):
    """Classify a file; returns exit code, what was said, and the file of answers."""

    def run(source, *words, project=1):
        out = tmp_path / f"out{source.suffix}"
        code, said = command("classify", "--in", source, "--out", out, *words, project=project)
        return code, said, out

    return run


@pytest.fixture
def file(tmp_path):
    """Write a file of texts."""

    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def lines(*rows) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def read(out) -> list[dict]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def read_csv(out, encoding="utf-8", **how) -> list[dict]:
    with out.open(encoding=encoding, newline="") as opened:
        return list(csv.DictReader(opened, **how))


def own(classifier, texts) -> list:
    stripped = [text.strip() for text in texts]
    proba_N_C = score_texts(classifier, stripped).proba_N_C
    return list(plain_answers(stripped, proba_N_C, SENTIMENT.labels, AnswerForm.LIKELIEST))


# JSON lines


def test_json_lines_keep_all_that_stands_in_them_and_get_label_and_probability(classify, file, classifier):
    rows = [{"id": place, "text": text, "more": {"é": [1, None]}} for place, text in enumerate(TEXTS)]
    code, said, out = classify(file("in.jsonl", lines(*rows)))
    assert code == 0, said
    assert f"Wrote {len(TEXTS)} texts to" in said
    found = read(out)
    assert [{key: row[key] for key in ("id", "text", "more")} for row in found] == rows
    assert_same(found, own(classifier, TEXTS), within=1e-5)
    assert "é" in out.read_text(encoding="utf-8")


def test_more_texts_than_a_block_come_out_in_order(classify, file, classifier):
    texts = [f"{'good' if place % 3 else 'awful'} film {'the ' * (place % 7)}" for place in range(2 * BLOCK + 5)]
    code, said, out = classify(file("in.jsonl", lines(*({"text": text} for text in texts))))
    assert code == 0, said
    assert [row["text"] for row in read(out)] == texts
    assert_same(read(out), own(classifier, texts), within=1e-5)


def test_a_column_with_the_name_of_an_answer_is_kept_under_another(classify, file, classifier):
    rows = [{"text": "good film", "label": "gold", "given_label": "x", "probability": 7}]
    (row,) = read(classify(file("in.jsonl", lines(*rows)))[2])
    assert row["label"] in SENTIMENT.labels
    assert (row["given_given_label"], row["given_label"], row["given_probability"]) == ("gold", "x", 7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a"}\n{"text": \n', "line 2 is no JSON"),
        ('{"text": "a"}\n["b"]\n', "line 2 is no JSON object"),
        ('[{"text": "a"}]', "one JSON array"),
        ('[\n{"text": "a"}]', "one JSON array"),
        ('{"text": "a"}\n{"body": "b", "id": 1}', "line 2 has no column 'text'"),
        ('{"text": {"de": "a"}}', "line 1: a dict stands in place of a text"),
        (b'{"text": "\xe9"}\n', "is not UTF-8"),
        ("[" * 100_000, "one JSON array"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_written(classify, file, classifier, content, said):
    code, found, out = classify(file("in.jsonl", content))
    assert (code, said in found) == (1, True), found
    assert not out.exists()
    assert not list(out.parent.glob(".out*"))


def test_odd_json_lines_are_read(classify, file, classifier):
    content = '\ufeff{"text": "good film"}\r\n\r\n{"text": null}\n{"text": 5}\n{"text": "\\ud83d"}'
    code, said, out = classify(file("in.ndjson", content))
    assert code == 0, said
    assert [row["label"] is None for row in read(out)] == [False, True, False, False]


# CSV


def test_csv_keeps_its_columns_quoted_line_breaks_and_long_cells(classify, file, classifier, tmp_path):
    texts = [*TEXTS, 'He said "good",\r\nthen left', "good\rfilm", "x" * 1_000_000]
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerows([["id", "text", "note"], *([place, text, "n,1"] for place, text in enumerate(texts))])
    code, said, out = classify(tmp_path / "in.csv")
    assert code == 0, said
    rows = read_csv(out)
    assert [(row["id"], row["text"], row["note"]) for row in rows] == [
        (str(n), text, "n,1") for n, text in enumerate(texts)
    ]
    wanted = own(classifier, texts)
    assert [row["label"] for row in rows] == [answer["label"] or "" for answer in wanted]
    assert [float(row["probability"] or 0) for row in rows] == pytest.approx(
        [answer["probability"] or 0 for answer in wanted], abs=1e-5
    )


def test_a_byte_order_mark_stays_and_windows_line_ends_are_read(classify, file, classifier):
    code, said, out = classify(file("in.csv", "\ufefftext,id\r\ngood film,1\r\nbad plot,2\r\n"))
    assert code == 0, said
    assert out.read_bytes().startswith(b"\xef\xbb\xbftext,id,label,probability\n")
    assert [row["id"] for row in read_csv(out, "utf-8-sig")] == ["1", "2"]


@pytest.mark.parametrize(("name", "delimiter"), [("in.csv", ";"), ("in.tsv", "\t"), ("in.csv", "\t")])
def test_other_separators_are_found_and_kept(classify, file, classifier, name, delimiter):
    code, said, out = classify(file(name, f"id{delimiter}text\n1{delimiter}good, film\n"))
    assert code == 0, said
    (row,) = read_csv(out, delimiter=delimiter)
    assert (row["text"], row["label"] in SENTIMENT.labels) == ("good, film", True)


def test_another_column_is_classified_by_its_name(classify, file, classifier):
    source = file("in.csv", "body,id\ngood film,1\n")
    code, said, _ = classify(source)
    assert (code, "--text-column; there are 'body', 'id'" in said) == (1, True), said
    assert classify(source, "--text-column", "body")[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("text,id\na,1,2\n", "line 2: 3 cells, and the header has 2"),
        ('text,id\n"a,1\n', "line 2: unexpected end of data"),
        ("text,text\na,b\n", "several columns 'text'"),
        ("text,id,id\na,1,2\n", "several columns 'id'"),
        (b"text\n\xe9t\xe9\n", "is not UTF-8"),
        ("text\ngood film\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named_and_nothing_is_written(classify, file, classifier, content, said):
    code, found, out = classify(file("in.csv", content))
    assert (code, said in found) == (1, True), found
    assert not out.exists()


def test_a_header_alone_is_a_header_with_two_columns_more(classify, file, classifier):
    code, _, out = classify(file("in.csv", "text\n"))
    assert (code, out.read_text()) == (0, "text,label,probability\n")


# Parquet


def test_parquet_keeps_its_columns_and_types(classify, classifier, tmp_path):
    texts = [*TEXTS, None] * 100
    table = pa.table({"n": pa.array(range(len(texts)), pa.int16()), "text": texts, "label": ["gold"] * len(texts)})
    pq.write_table(table, tmp_path / "in.parquet")
    code, said, out = classify(tmp_path / "in.parquet")
    assert code == 0, said
    found = pq.read_table(out)
    assert found.schema.names == ["n", "text", "given_label", "label", "probability"]
    assert found.schema.field("n").type == pa.int16()
    assert found.select(["n", "text"]).equals(table.select(["n", "text"]))
    assert_same(found.to_pylist(), own(classifier, [text or "" for text in texts]), within=1e-5)
    assert pq.ParquetFile(out).num_row_groups == 1


def test_a_parquet_file_without_rows_or_that_is_none_or_without_texts(classify, classifier, file, tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in.parquet")
    code, said, out = classify(tmp_path / "in.parquet")
    assert (code, pq.read_table(out).num_rows) == (0, 0), said
    assert "is no Parquet file" in classify(file("other.parquet", "text\na"))[1]
    pq.write_table(pa.table({"text": [["a", "b"]]}), tmp_path / "in.parquet")
    assert "a list stands in place of a text" in classify(tmp_path / "in.parquet")[1]


def test_without_pyarrow_a_sentence_says_how_to_install_it(classify, classifier, file, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("backend.commands.models.parquet_files.import_module", missing)
    code, said, _ = classify(file("in.parquet", "x"))
    assert (code, "pip install pyarrow" in said) == (1, True)


# Questions, versions, places


@pytest.fixture
def two_questions(folder, encoder):
    folder.label_config.write(TWO_QUESTIONS)
    write_version(folder.registry, a_classifier(encoder, STARS), "stars")
    write_version(folder.of_question(1).registry, a_classifier(encoder, ABOUT), "about")


def test_every_question_is_answered_in_columns_or_entries_of_its_own(classify, file, two_questions, tmp_path):
    (row,) = read(classify(file("in.jsonl", lines({"text": "<b>good</b> film"})))[2])
    assert row["label"] == row["answers"]["stars"]["label"]
    (cells,) = read_csv(classify(file("in.csv", "text\n<b>good</b> film\n"))[2])
    assert cells.keys() == {"text", "label", "probability", "about_labels", "about_probabilities"}
    assert cells["label"] == row["label"]
    assert json.loads(cells["about_labels"]) == row["answers"]["about"]["labels"]
    pq.write_table(pa.table({"text": ["<b>good</b> film"]}), tmp_path / "in.parquet")
    (found,) = pq.read_table(classify(tmp_path / "in.parquet")[2]).to_pylist()
    assert found["about_probabilities"] == row["answers"]["about"]["probabilities"]


def test_one_question_is_answered_by_its_name_and_a_version_belongs_to_a_question(classify, file, two_questions):
    source = file("in.jsonl", lines({"text": "good film"}))
    (row,) = read(classify(source, "--question", "about", "--version", 1)[2])
    assert row.keys() == {"text", "labels", "probabilities"}
    assert "name the question with --question" in classify(source, "--version", 1)[1]
    assert "no question 'mood'" in classify(source, "--question", "mood")[1]
    assert "no model version 9" in classify(source, "--question", "about", "--version", 9)[1]


def test_a_question_without_a_model_is_left_out_and_named(classify, file, folder, encoder):
    folder.label_config.write(TWO_QUESTIONS)
    write_version(folder.of_question(1).registry, a_classifier(encoder, ABOUT), "about")
    code, said, out = classify(file("in.jsonl", lines({"text": "good film"})))
    assert (code, "no model version yet: stars" in said) == (0, True)
    assert read(out)[0].keys() == {"text", "labels", "probabilities"}


def test_no_model_and_no_project_end_with_a_sentence(classify, file, folder):
    source = file("in.jsonl", lines({"text": "a"}))
    assert "no_model: project 1 has no model version yet" in classify(source)[1]
    assert "unknown_project: project 8" in classify(source, project=8)[1]


def test_files_that_cannot_be_used_are_named(command, file, classifier, tmp_path):
    source = file("in.csv", "text\na\n")
    link = tmp_path / "link.csv"
    link.symlink_to(source)

    def said(source_, out):
        code, words = command("classify", "--in", source_, "--out", out)
        assert code == 1
        return words

    assert "is the file of --in" in said(source, source)
    assert "is the file of --in" in said(source, link)
    assert "must end in one of .csv" in said(file("in.xlsx", "x"), tmp_path / "out.xlsx")
    assert "must end in .csv" in said(source, tmp_path / "out.jsonl")
    assert "is not there" in said(tmp_path / "gone.csv", tmp_path / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "is no file" in said(tmp_path / "folder.csv", tmp_path / "out.csv")
    assert "is no file" in said(source, tmp_path / "folder.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is no file" in said(source, tmp_path / "pipe.csv")
    assert source.read_text() == "text\na\n"


def test_a_full_disk_leaves_an_earlier_file_as_it_was(classify, file, classifier, monkeypatch):
    source = file("in.jsonl", lines({"text": "good film"}))
    _, _, out = classify(source)
    before = out.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "out.jsonl")

    monkeypatch.setattr("backend.commands.models.json_lines._line", full)
    code, said, _ = classify(source)
    assert (code, "No space left on device" in said) == (1, True)
    assert out.read_bytes() == before
    assert not list(out.parent.glob(".out*"))
