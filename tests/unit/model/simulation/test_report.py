import re
from dataclasses import replace

from model.simulation.learning_curves import FULL_POOL, Point
from model.simulation.report import Heading, write_report


def points(strategy: str, lift: float = 0.0, seeds: int = 3) -> list[Point]:
    return [
        Point(strategy, seed, labels, 0.4 + lift + 0.01 * seed + 0.1 * step, 0.4, 1.0, 0.5)
        for seed in range(seeds)
        for step, labels in enumerate((16, 32, 64))
    ]


def page(tmp_path, measured, **more) -> str:
    file = tmp_path / "report.html"
    write_report(file, measured, Heading(**{"title": "my texts", "command": "python -m model simulate", **more}))
    return file.read_text(encoding="utf-8")


def cells(html: str, strategy: str) -> list[str]:
    [row] = re.findall(rf"<tr[^>]*>\s*<td>{strategy}</td>(.*?)</tr>", html, re.DOTALL)
    return re.findall(r"<td>(.*?)</td>", row)


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    html = page(tmp_path, [*points("random"), *points("margin", 0.1)])
    assert not re.findall(r'(?:src|href)="(?!#)', html)
    assert html.count("<svg") == html.count("</svg>") == 1


def test_the_table_has_area_lead_accuracies_labels_needed_and_seconds(tmp_path):
    full = Point(FULL_POOL, 0, 900, 0.7, 0.7, 9.0, 0.0)
    html = page(tmp_path, [*points("random"), *points("margin", 0.1), full])
    assert cells(html, "random") == ["3", "51.0", "—", "41.0", "51.0", "61.0", "more", "more", "0.5"]
    assert cells(html, "margin") == ["3", "61.0", "+10.0 (+10.0 to +10.0)", "51.0", "61.0", "71.0", "37", "47", "0.5"]
    assert "70.0 %" in html


def test_labels_for_the_whole_pools_accuracy_are_left_out_where_that_was_not_measured(tmp_path):
    html = page(tmp_path, [*points("random"), *points("margin", 0.1)])
    assert "full pool" not in html
    assert cells(html, "margin")[-2:] == ["71.0", "0.5"]


def test_the_recommendation_stands_on_top_and_is_returned(tmp_path):
    measured = [*points("random"), *points("margin", 0.1)]
    said = write_report(tmp_path / "report.html", measured, Heading("t", "c"))
    assert said.startswith("Use margin: +10.0 points")
    assert said in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_people_typed_is_shown_as_text(tmp_path):
    asked = [replace(point, question="<script>2</script>") for point in points("random")]
    measured = [*asked, *(replace(point, question="<b>") for point in asked)]
    html = page(tmp_path, measured, title="<script>alert(1)</script>", command="simulate --data '<b>'")
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;2&lt;/script&gt;" in html


def two_questions() -> list[Point]:
    """At a topic `margin` is 10 points ahead, at stars 20 behind, so that `random` is ahead in the mean of both."""
    topic = [*points("random"), *points("margin", 0.1)]
    stars = [replace(point, mae=1 - point.accuracy) for point in (*points("random", 0.2), *points("margin"))]
    return [
        *(replace(point, question="topic") for point in topic),
        *(replace(point, question="urgency") for point in stars),
    ]


def part(html: str, name: str) -> str:
    """What the page has of one question."""
    [found] = re.findall(rf'<h2 id="question-\d+">{name}</h2>(.*?)(?=<h2|$)', html, re.DOTALL)
    return found


def test_every_question_has_its_advice_curves_and_table_and_all_together_come_first(tmp_path):
    html = page(tmp_path, two_questions())
    assert html.index("All questions together") < html.index(">topic</h2>") < html.index(">urgency</h2>")
    topic, urgency = part(html, "topic"), part(html, "urgency")
    assert "Use margin: +10.0 points" in topic
    assert "Use random: every other strategy is behind" in urgency
    assert cells(topic, "margin")[1:3] == ["61.0", "+10.0 (+10.0 to +10.0)"]
    assert cells(urgency, "margin")[1:3] == ["51.0", "-20.0 (-20.0 to -20.0)"]
    together = html[: html.index('<h2 id="question-1">')]
    assert cells(together, "margin")[1:3] == ["56.0", "-5.0 (-5.0 to -5.0)"]
    # One plot for all, one for the topic, and for stars one of accuracy and one of errors.
    assert html.count("<svg") == 4


def test_stars_have_a_table_of_how_far_they_are_off(tmp_path):
    html = page(tmp_path, two_questions())
    off = re.findall(r'<th scope="row">(\w+)</th>((?:<td>[\d.]+</td>)+)', html)
    assert [(name, re.findall(r"[\d.]+", row)) for name, row in off] == [
        ("random", ["0.39", "0.29", "0.19"]),
        ("margin", ["0.59", "0.49", "0.39"]),
    ]
    assert "stars off" not in part(html, "topic")


def test_the_advice_of_the_page_goes_by_all_questions_together(tmp_path):
    said = write_report(tmp_path / "report.html", two_questions(), Heading("t", "c"))
    assert said.startswith("Use random: every other strategy is behind")


def test_a_single_strategy_and_seed_make_a_page_too(tmp_path):
    assert cells(page(tmp_path, points("margin", seeds=1)), "margin")[:3] == ["1", "50.0", "—"]


def test_sixteen_strategies_have_a_panel_each(tmp_path):
    measured = [point for place in range(16) for point in points(f"strategy_{place}", place / 100)]
    html = page(tmp_path, [*points("random"), *measured])
    assert len(set(re.findall(r"<!-- (strategy_\d+) -->", html))) == 16
