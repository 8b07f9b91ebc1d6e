"""Every field of a recipe says what it means and where that stands; the paper's symbols find fields."""

import re
from dataclasses import fields

import pytest

from harness.cli.run import run
from harness.experiment.overrides import parse_overrides
from harness.experiment.recipe_fields import FIELDS, read_meanings, settable_field
from pivl.errors import UserError
from pivl.recipe import Recipe
from pivl.system.ranges import takes_in_words
from tests.support.commands import run_main


def test_every_field_has_a_meaning_and_a_source_and_no_symbol_is_that_of_two():
    meanings = read_meanings()
    assert list(meanings) == [item.name for item in fields(Recipe)]
    sources = r"(Eq|Sec)\. [\d.]+(-\d+)?|Table \d|(cnn|vit)_clipreid\.yml|ours"
    assert not [name for name, one in meanings.items() if not re.fullmatch(sources, one.source)]
    symbols = [symbol for one in meanings.values() for symbol in one.symbols]
    assert len(symbols) == len({*symbols, *FIELDS} - FIELDS.keys())


@pytest.mark.parametrize(
    ("typed", "field", "source"),
    [
        ("lambda", "align_weight", "Eq. 12"),
        ("λ", "align_weight", "Eq. 12"),
        ("tau", "part_temperature", "Eq. 7-8"),
        ("temperature", "part_temperature", "Eq. 7-8"),
        ("M", "identity_tokens", "Eq. 1"),
        ("margin", "triplet_margin", "Eq. 4"),
        ("epsilon", "label_smoothing", "Eq. 3-4"),
        ("P", "people_per_batch", "Sec. 4.2"),
        ("K", "images_per_person", "Sec. 4.2"),
        ("epochs", "epochs", "Sec. 4.2"),
    ],
)
def test_the_papers_symbols_find_their_fields(typed, field, source):
    assert settable_field(typed) == field
    assert read_meanings()[field].source == source


def test_a_symbol_sets_the_field_and_not_beside_it():
    assert parse_overrides(["lambda=1", "tau=0.2"]) == {"align_weight": 1.0, "part_temperature": 0.2}
    with pytest.raises(UserError, match="--set align_weight: it is set twice"):
        parse_overrides(["lambda=1", "align_weight=2"])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lamda", "unknown recipe field 'lamda'; did you mean 'lambda' (align_weight)? All: pivl-bench recipe"),
        ("align_wieght", "unknown recipe field 'align_wieght'; did you mean 'align_weight'? All: pivl-bench recipe"),
        ("?", "unknown recipe field '?'. All: pivl-bench recipe"),
        ("backbone", "recipe field 'backbone' is set by --backbone"),
        ("own_loss", "recipe field 'own_loss' is set by a study of your own, --study FILE.py"),
    ],
)  # fmt: skip
def test_what_is_no_field_to_set_is_told_with_the_nearest(typed, said):
    with pytest.raises(UserError) as refused:
        settable_field(typed)
    assert str(refused.value) == said


def test_help_of_set_has_the_papers_symbols_as_the_recipe_has_them():
    (option,) = [one for one in run.params if one.name == "overrides"]
    told = re.findall(r"(\w+) \((\w+), (Eq\. [\d-]+)\)", option.help)
    assert ("lambda", "align_weight", "Eq. 12") in told
    for symbol, field, source in told:
        assert symbol in read_meanings()[field].symbols
        assert source == read_meanings()[field].source
    assert "pivl-bench recipe" in option.help


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("fusion", "one of last, pyramid"),
        ("align_weight", "a number from 0 to 1000"),
        ("epochs", "a whole number from 1 to 100000"),
        ("milestones", "whole numbers from 1 to 100000"),
        ("student", "a name"),
    ],
)
def test_what_a_field_takes_is_said_in_words(field, said):
    assert takes_in_words(FIELDS[field].type, FIELDS[field].metadata["range"]) == said


def test_a_study_of_ones_own_has_fields_by_their_own_names(tmp_path, capsys):
    rows = "(Row('a', 'A', 'PI-VL', {'lambda': 1.0}),)"
    text = f"from studies.study import Row, Study\nMINE = Study('mine', 'M', 'Q?', {rows}, 'a', 'C')"
    (tmp_path / "mine.py").write_text(text)
    assert run_main("recipe", "--study", str(tmp_path / "mine.py")) == 2
    assert "row a: lambda is the paper's symbol; write align_weight" in capsys.readouterr().err
