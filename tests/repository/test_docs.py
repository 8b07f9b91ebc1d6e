"""Documents say what is so: commands exist, links lead somewhere, files are there, every word of tables is told."""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from harness.analysis import costs
from harness.analysis.columns import MIOU
from harness.analysis.health import GROUPS
from harness.analysis.statistics import Verdict
from harness.analysis.table import BASELINE, CONSISTENCY, UNLEARNED
from harness.experiment.resolve import resolve_all
from harness.report import published
from harness.report.documents.overview import OVERVIEW, source_digest
from harness.report.documents.refresh import pages_of
from harness.report.documents.tables import insert
from harness.report.page.columns import columns_of
from pivl.synthped.names import PARSERS
from studies.catalog import PRESETS, STUDIES
from studies.searches import SEARCHES
from tests.support.commands import parse
from tests.support.scored_runs import build, whole_ablation

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"
GUIDES = sorted(path for path in DOCS.glob("*.md") if path.name != "README.md")
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
LINKED = [*PAGES, *(ROOT / place / "README.md" for place in ("harness", "pivl", "tests", "results"))]
FIRSTS = {"pivl-bench", "make", "mlflow"}
MEASURED = ("run", "table", "figure", "report", "search")  # commands that take a preset
MEASURED_TWO = (["data", "card"], ["power", "ablation"], ["plan", "ablation"])


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, fence):
    """The contents of the fenced blocks of a page."""
    return re.findall(rf"^```{fence}\n(.*?)^```", text_of(page), flags=re.S | re.M)


def commands(first, fence, pages=PAGES):
    """The commands of shell blocks that begin with `first`, as words without it and without comments, each once.

    What needs data that cannot be had here stands in blocks fenced `bash`.
    """
    lines = [line for page in pages for block in blocks(page, fence) for line in block.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [
        list(words) for words in dict.fromkeys(tuple(one[1:]) for one in split if one and one[0] == first)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documents_show_only_known_commands(page):
    for words in commands("pivl-bench", "(?:sh|bash)", [page]):
        _, values = parse(words)
        if words[0] in ("run", "table"):
            resolve_all(values["request"])


def test_documents_show_only_make_targets_that_exist():
    targets = sorted({words[0] for words in commands("make", "sh") if words})
    assert targets
    done = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_shell_blocks_that_are_tested_hold_nothing_else():
    firsts = {
        line.split()[0]
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.splitlines()
        if line.strip()
    }
    assert firsts <= FIRSTS


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M), flags=re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_relative_link_is_dead(page):
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


@pytest.mark.parametrize("page", [*GUIDES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_files_that_documents_name_exist(page):
    for name in re.findall(r"`((?:pivl|studies|harness|tests|docs|examples)/[\w./-]*)`", text_of(page)):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_documents_imports_what_exists(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in (
                "pivl",
                "studies",
                "harness",
            ):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name) or importlib.import_module(
                        f"{node.module}.{alias.name}"
                    )


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_a_guide_has_60_to_150_lines_and_the_index_names_it(page):
    assert 60 <= len(text_of(page).splitlines()) <= 150
    assert f"({page.name})" in text_of(DOCS / "README.md")


def test_every_word_of_tables_is_told():
    told = text_of(DOCS / "reading-tables.md")
    words = [*get_args(Verdict), BASELINE, UNLEARNED, *(item.heading for item in CONSISTENCY)]
    words += [
        item
        for group in GROUPS
        for item in (group.title, *(one.heading.split(":")[0].split(",")[0] for one in group.figures))
    ]
    assert [word for word in words if word.lower() not in told.lower()] == []


def test_every_column_and_note_of_tables_is_told():
    """Headings as the page writes them: DATA, BASELINE and the metric mAP stand for any."""
    told, table = text_of(DOCS / "reading-tables.md"), build(whole_ablation())
    named = {
        f"over {table.reference}": "over BASELINE",
        table.dataset: "DATA",
        published.dataset(table): "DATA",
    }
    headings = {one.heading for one in columns_of(table).values()} | {MIOU, *costs.HEADINGS}
    headings = {re.sub(r"Rank-\d+|mINP", "mAP", heading) for heading in headings}
    for word, general in named.items():
        headings = {heading.replace(word, general) for heading in headings}
    headings = {part for heading in headings for part in heading.split(", millions")}
    notes = re.findall(r"\*\*([A-Z][\w -]*)\*\*", text_of(ROOT / "harness/report/notes.py"))
    assert [word for word in sorted(headings) if word not in told] == []
    assert [word for word in notes if word.lower() not in told.lower()] == []


@pytest.mark.parametrize("why", ["no result", "no baseline", "no seed in common", "not compared"])
def test_why_a_row_has_no_verdict_is_told(why):
    assert f'"{why}"' in text_of(ROOT / "harness/analysis/comparison.py")
    assert why in text_of(DOCS / "reading-tables.md")


@pytest.mark.parametrize(
    ("page", "names"),
    [("reading-tables", [*STUDIES, *PRESETS]), ("searches", [*SEARCHES]), ("parsers", [*PARSERS])],
)
def test_pages_tell_every_name_that_can_be_typed(page, names):
    told = text_of(DOCS / f"{page}.md")
    assert [name for name in names if f"`{name}`" not in told] == []


def test_committed_tables_lack_no_run():
    tables = [json.loads(path.read_text()) for path in (ROOT / "results" / "reference").glob("*.json")]
    rows = [(table["title"], row) for table in tables for row in table.get("rows", ())]
    assert len(rows) > 50
    assert [(title, row["row"], row["problems"]) for title, row in rows if row["problems"]] == []


@pytest.mark.parametrize("page", pages_of(ROOT), ids=lambda page: page.name)
def test_tables_of_documents_are_those_that_are_committed(page):
    assert insert(page, ROOT) == text_of(page), "make docs-tables"


def test_readme_shows_the_committed_ablation_and_its_picture():
    readme = text_of(README)
    assert "<!-- table: ablation -->" in readme
    assert f'src="{OVERVIEW.as_posix()}"' in readme
    with Image.open(ROOT / OVERVIEW) as picture:
        assert picture.info["Source"] == source_digest(ROOT), "make docs-tables"


def test_readme_is_read_in_a_minute():
    assert len(text_of(README).splitlines()) <= 150


def test_readme_points_to_commands_that_guides_explain():
    pointed = [tuple(shlex.split(words)) for words in re.findall(r"`pivl-bench ([^`]+)`", text_of(README))]
    explained = [tuple(words) for words in commands("pivl-bench", "(?:sh|bash)", GUIDES)]
    assert len(pointed) >= 10
    assert [words for words in pointed if words not in explained] == []


def typed(words, folder, results):
    """Runs a command of a page in `folder`: studies with the smoke preset, data sets at their smallest."""
    words = [{"synthped": "synthped-mini", "40": "2"}.get(word, word) for word in words]
    measured = words[0] in MEASURED or words[:2] in MEASURED_TWO or words[:3] == ["results", "rm", "--study"]
    words += ["--quick"] if words[0] == "perf" else []
    words += ["--preset", "smoke"] if measured and words[1] != "list" and "--preset" not in words else []
    (folder / "pivl.toml").write_text(f'results = "{results}"\n')
    code = "from harness.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of getting-started's first run, which all pages share."""
    folder = tmp_path_factory.mktemp("documents")
    typed(["run", "ablation", "--preset", "smoke"], folder, folder / "results")
    return folder / "results"


@pytest.mark.slow  # trains every row that the guides name, at the smallest size
@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands("pivl-bench", "sh", [page])], ids=lambda page: page.name
)
def test_commands_of_a_page_run_from_top_to_bottom(page, results, tmp_path):
    """After getting-started's first run; `pretrain` has a test of its own."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for words in commands("pivl-bench", "sh", [page]):
        if words[0] != "pretrain":
            typed(words, tmp_path, results)
