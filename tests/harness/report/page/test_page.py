"""A table as a page for people: its width, its marks, and what a narrow terminal leaves out."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.analysis import comparison
from harness.report.markdown import PAGES
from harness.report.page.blocks import Grid
from harness.report.page.columns import choose_columns
from harness.report.page.document import Layout
from harness.report.page.inline import pieces
from harness.report.page.latex import escaped
from harness.report.page.sentence import sentence
from harness.report.page.terminal import terminal
from pivl.errors import UserError
from tests.support.scored_runs import ABLATION, build, outcomes_of, whole_ablation

TABLE = build(whole_ablation())


@pytest.mark.parametrize("width", [80, 100, 118])
def test_a_narrow_terminal_has_rows_with_what_answers_the_question_and_no_line_is_wider(width):
    text = terminal(TABLE, width)
    assert max(map(len, text.splitlines())) <= width
    heading = next(line for line in text.splitlines() if line.startswith("Row "))
    assert heading.split() == ["Row", "mAP", "mAP", "gain", "p,", "mAP", "Verdict", "Seeds"]
    for fact in ("+5.06 [+4.88, +5.24]", "< 0.001", "better", "In plain words", "Evaluation protocol"):
        assert fact in text
    assert "Contrasts" not in text
    assert "**" not in text


def test_an_evaluation_protocol_that_is_longer_than_a_line_is_broken():
    signature = f"mAP|synthped@3fa9c1|q120 g240|{'x' * 80}"
    runs = {
        row: {seed: replace(run, signature=signature) for seed, run in seeds.items()}
        for row, seeds in whole_ablation().items()
    }
    text = terminal(build(runs), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert sum(map(len, re.findall("xx+", text))) == 80


def test_wide_has_everything_and_a_wide_terminal_too():
    for text in (terminal(TABLE, 80, wide=True), terminal(TABLE, 140)):
        assert all(one in text for one in ("Contrasts", "Rank-1 gain over CLIP-ReID", "Degrees of freedom"))
    assert max(map(len, terminal(TABLE, 140).splitlines())) <= 140


@pytest.mark.parametrize("form", PAGES)
def test_columns_are_those_that_are_named_in_their_order(form):
    names = choose_columns("minp,rank5,rank10", TABLE)
    assert names == ["row", "minp", "rank5", "rank10"]
    results = PAGES[form](TABLE, Layout(names)).split("Contrasts")[0]
    assert [results.index(name) for name in ("mINP", "Rank-5", "Rank-10")] == sorted(
        results.index(name) for name in ("mINP", "Rank-5", "Rank-10")
    )
    assert "Verdict" not in results


def test_means_of_further_metrics_are_those_of_the_queries():
    runs = whole_ablation()["pi-vl"].values()
    line = TABLE.lines[3]
    for metric, rank in (("Rank-5", 5), ("Rank-10", 10)):
        hits = [float((run.queries["first_match"] < rank).mean()) for run in runs]
        assert line.means[metric].mean == pytest.approx(100 * sum(hits) / len(hits))
    inp = [float(run.queries["inp"].mean()) for run in runs]
    assert line.means["mINP"].mean == pytest.approx(100 * sum(inp) / len(inp))


def test_a_column_that_the_table_does_not_have_is_refused_with_those_that_it_has():
    with pytest.raises(UserError, match=r"unknown columns 'rank3'; known: row, .*rank5.*did you mean"):
        choose_columns("rank3", TABLE)


def test_a_grid_in_parts_repeats_what_a_row_is_and_loses_nothing():
    grid = Grid(["method", "of", "a", "b", "c"], [["x", "y", "1" * 17, "2" * 17, "3" * 90]], (0, 1), keys=2)
    parts = [*grid.within(60)]
    assert [part.headings for part in parts] == [["method", "of", "a", "b"], ["method", "of", "c"]]
    assert [part.rows[0][:2] for part in parts] == [["x", "y"]] * 2


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_well_formed_escaped_and_says_what_heads_rows_and_columns():
    rows = (replace(ABLATION.rows[0], title="<b>&CLIP"), *ABLATION.rows[1:])
    table = comparison.build(replace(ABLATION, rows=rows), "synthped", whole_ablation())
    found = Elements(PAGES["html"](table))
    assert found.open == []
    assert "<b>&CLIP" in found.text
    assert {attrs.get("scope") for tag, attrs in found.seen if tag == "th"} == {"row", "col"}
    marked = [one for line in table.lines for one in line.gains.values() if one.marked]
    assert marked
    assert not re.search(r"\*\*|https?:", PAGES["html"](table))


def test_latex_is_bold_only_where_a_gain_is_marked():
    table = build(outcomes_of(clip_reid=0.0, part_labels=0.003))
    lead = r"\textbf{In plain words}"
    results = PAGES["latex"](table).split(r"\textbf{Contrasts}")[0].replace(lead, "")
    assert r"\textbf" not in results
    results = PAGES["latex"](TABLE).split(r"\textbf{Contrasts}")[0].replace(lead, "")
    assert results.count(r"\textbf") == sum(one.marked for x in TABLE.lines for one in x.gains.values())
    assert all(results.count(rf"\{rule}rule") == 3 for rule in ("top", "mid", "bottom"))


def test_latex_escapes_what_it_would_read_as_commands():
    assert escaped("50 % of a_b & {x} ±-0.5") == r"50 \% of a\_b \& \{x\} $\pm$$-$0.5"
    assert escaped('"row" by --redo; a|b') == r"``row'' by -{}-redo; a\textbar\allowbreak{}b"
    text = PAGES["latex"](TABLE)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not re.search(r"(?<!\\)[&%#_](?=\w)", text.partition("\n")[2].replace(" & ", " "))


def test_marks_are_told_apart():
    text = "**bold** and *slanted*, `a*b`, ***both***, 2 * 3 * 4"
    assert [one for one in pieces(text) if one[0]] == [
        ("bold", "bold"), ("italic", "slanted"), ("code", "a*b"), ("bold", "both"),
    ]  # fmt: skip


def test_the_sentence_says_what_cannot_be_told():
    none = build(outcomes_of(clip_reid=0.0))
    assert "nothing to compare" in sentence(none)
    assert sentence(build({})) == "nothing is measured yet."
    few = build({row: {0: seeds[0]} for row, seeds in whole_ablation().items()})
    assert sentence(few).endswith("with fewer than 3 seeds.")


@pytest.mark.parametrize("form", PAGES)
def test_the_brief_form_has_the_rows_and_what_no_number_may_be_read_without(form):
    text = PAGES[form](TABLE, Layout(brief=True))
    assert all(one in text for one in ("In plain words", "Verdict", "Evaluation protocol", "Measured"))
    assert not any(one in text for one in ("Contrasts", "Degrees of freedom", "Rank-1 gain"))
    assert len(text) < len(PAGES[form](TABLE)) / 2


def test_brief_latex_is_a_float_with_caption_and_label():
    text = PAGES["latex"](TABLE, Layout(brief=True))
    places = [text.index(one) for one in (r"\begin{table*}", r"\caption{", r"\label{tab:ablation}", r"\toprule",
              r"\end{itemize}", r"\end{table*}")]  # fmt: skip
    assert places == sorted(places)
    assert text.count(r"\begin{tabular}{@") == 1
