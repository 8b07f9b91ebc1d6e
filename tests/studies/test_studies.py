"""Studies ask what they claim to ask, are data, and quote the paper as it adds up."""

import ast
from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest

import studies
from harness.inputs.backbones import find_backbone
from pivl.recipe import Recipe
from pivl.synthped.benchmark import VARIANTS
from studies import published
from studies.backbones import EMBEDDED_BACKBONES
from studies.catalog import PRESETS, STUDIES
from studies.controls import CONTROLS
from studies.published import Published
from studies.study import Study

ABLATION = STUDIES["ablation"]
SOURCES = sorted(Path(studies.__path__[0]).glob("*.py"))
TABLE_3 = (
    published.TABLE_3_CLIP_REID,
    published.TABLE_3_PART_LABELS,
    published.TABLE_3_IDENTITY_PARTS,
    published.TABLE_3_PI_VL,
)
TABLE_4 = (
    published.TABLE_4_CLIP_REID,
    published.TABLE_4_SOLIDER,
    published.TABLE_4_SCHP,
    published.TABLE_4_INVPT,
)
TABLE_5 = (
    published.TABLE_5_CLIP_REID,
    published.TABLE_5_PI_VL,
    published.TABLE_5_STUDENT,
    published.TABLE_5_CLIP_REID_STUDENT,
    published.TABLE_5_PI_VL_STUDENT,
)


def _changes(one: Recipe, other: Recipe) -> dict[str, object]:
    before = asdict(one)
    return {name: value for name, value in asdict(other).items() if value != before[name]}


def _recipe(study: Study, name: str, backbone: str = "tiny") -> Recipe:
    row = next(row for row in study.rows if row.name == name)
    return replace(find_backbone(backbone).recipes[row.start], **row.changes)


def _recipes(study: Study, backbone: str = "tiny") -> list[Recipe]:
    return [_recipe(study, row.name, backbone) for row in study.rows]


def _usual(study: Study) -> list[Recipe]:
    return [_recipe(study, row.name) for row in study.rows if row.default]


def _printed(method: str, backbone: str, dataset: str) -> Published:
    keys = (method, backbone, dataset)
    return next(item for item in published.TABLE_2 if (item.method, item.backbone, item.dataset) == keys)


def test_each_row_of_the_ablation_changes_what_its_title_says_and_nothing_else() -> None:
    recipes = _recipes(ABLATION)
    assert [row.name for row in ABLATION.rows if not row.default] == ["pi-vl-joint", "pi-vl-v2"]
    assert [_changes(above, below) for above, below in pairwise(recipes)] == [
        {"part_text": "label"},
        {"part_text": "identity+label"},
        {"fusion": "pyramid"},
        {"part_schedule": "joint", "global_text": "tuned"},
        {"align_pixels": "confidence"},
    ]


def test_each_control_changes_one_thing_and_its_other_rows_are_the_ablation_s() -> None:
    assert _recipe(CONTROLS, "clip-reid") == _recipe(ABLATION, "clip-reid")
    assert _recipe(CONTROLS, "pi-vl") == _recipe(ABLATION, "pi-vl")
    own_weights = {"identity_weight": 1.0, "triplet_weight": 1.0}  # those of cnn_base.yml
    for name, base, change in (
        ("no-text", "clip-reid", {"image_to_text_weight": 0.0, **own_weights}),
        (
            "moved-texts",
            "clip-reid",
            {"part_text": "identity+label", "align_weight": 0.0, "global_text": "tuned"},
        ),
        ("random-people", "clip-reid", {"global_targets": "random"}),
        ("permuted-people", "clip-reid", {"global_targets": "permuted"}),
        ("one-hot-people", "clip-reid", {"global_targets": "one-hot"}),
        ("mean-images", "clip-reid", {"global_targets": "images"}),
        ("pi-vl-moved", "pi-vl", {"global_text": "tuned"}),
        ("random-targets", "pi-vl", {"part_targets": "random"}),
        ("permuted-texts", "pi-vl", {"part_targets": "permuted"}),
        ("part-names", "pi-vl", {"part_text": "label", "align_loss": "classes"}),
        ("descriptions", "pi-vl", {"part_text": "description"}),
    ):
        assert _changes(_recipe(CONTROLS, base), _recipe(CONTROLS, name)) == change


def test_each_choice_is_changed_alone() -> None:
    """But for what a choice cannot do without: a temperature of its own, or texts of the only stage that there is."""
    choices, pi_vl = STUDIES["choices"], _recipe(ABLATION, "pi-vl")
    together = (
        {"part_similarity", "part_temperature"},
        {"part_schedule", "global_text"},
        {"part_template", "part_wording"},
    )
    changed = [_changes(pi_vl, recipe) for recipe in _recipes(choices)]
    assert changed[0] == {}
    assert changed[1:].count({}) == 1  # of background as a class and ignored, PI-VL has one on each backbone
    assert all(len(one) <= 1 or set(one) in together for one in changed[1:])
    said = {(name, value) for one in changed for name, value in one.items()}
    assert {name for name, _ in said} >= {
        "align_loss", "part_similarity", "part_template", "part_wording", "fuse", "fused_stages", "background",
        "prompt_cosine", "part_warmup_epochs", "part_sampling", "erased_labels", "label_vote",
        "part_schedule", "cell_targets",
    }  # fmt: skip


def test_rows_share_their_stages() -> None:
    studies = [study for name, study in STUDIES.items() if name != "choices"]  # whose question these are
    recipes = [recipe for study in studies for recipe in _usual(study)]
    for stage in ("identity-prompts", "part-prompts"):
        users = [recipe for recipe in recipes if stage in recipe.stages()]
        assert len(users) > 1
        assert all(recipe.stage_choices(stage) == users[0].stage_choices(stage) for recipe in users)


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_a_study_is_complete(study: Study) -> None:
    names = [row.name for row in study.rows]
    assert len({*names}) == len(names) == len({row.title for row in study.rows})
    assert study.reference in names
    assert study.dataset in VARIANTS
    assert study.margin > 0
    assert len(study.seeds) >= 5


def test_the_catalog_uses_each_name_once_and_as_it_is() -> None:
    assert {name: study.name for name, study in STUDIES.items()} == {name: name for name in STUDIES}
    assert {name: preset.name for name, preset in PRESETS.items()} == {name: name for name in PRESETS}


def test_a_smoke_run_is_another_recipe_on_other_data_and_says_so() -> None:
    smoke = PRESETS["smoke"]
    assert smoke.dataset in VARIANTS
    assert smoke.dataset not in {study.dataset for study in STUDIES.values()}
    assert smoke.warning is not None
    assert smoke.warning.title == "SMOKE RUN"
    for study in STUDIES.values():
        for recipe in _recipes(study):
            changed = replace(recipe, **smoke.changes)
            epochs = {name: value for name, value in asdict(changed).items() if name.endswith("epochs")}
            assert changed != recipe
            assert max(epochs.values()) == 2


def test_a_long_run_has_more_seeds_than_any_study_and_every_row_trains_for_longer() -> None:
    long = PRESETS["long"]
    assert long.seeds == tuple(range(10))
    assert (long.dataset, long.warning) == (None, None)
    for study in STUDIES.values():
        assert {*study.seeds} < {*long.seeds}  # what is there of them is run on the same draws
        for name, backbone in EMBEDDED_BACKBONES.items():
            for row in study.rows:
                usual = _recipe(study, row.name, name)
                usual = replace(usual, **backbone.students) if row.student else usual
                changed = replace(usual, **long.changes)
                assert _changes(usual, changed) == {"epochs": 28}
                assert changed.epochs > usual.epochs > 2 * usual.warmup_epochs


def test_the_default_preset_changes_nothing() -> None:
    default = PRESETS["default"]
    assert (default.dataset, default.seeds, dict(default.changes), default.warning) == (None, None, {}, None)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_study_is_data(source: Path) -> None:
    """No branch, no loop, no function, and no torch."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    control = ast.If | ast.IfExp | ast.For | ast.While | ast.comprehension | ast.FunctionDef | ast.Match
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, control)] == []
    assert "torch" not in source.read_text(encoding="utf-8")


def test_table_3_adds_up_to_the_gains_printed_beside_it() -> None:
    base, *rows = TABLE_3
    gains = [(round(row.rank1 - base.rank1, 1), round(row.mean_ap - base.mean_ap, 1)) for row in rows]
    assert gains == [(0.8, 0.1), (1.6, 0.5), (1.8, 0.8)]
    assert [row.published for row in ABLATION.rows if row.default] == list(TABLE_3)


def test_table_4_has_table_3_s_ends() -> None:
    ends = [(row.rank1, row.mean_ap) for row in (TABLE_3[0], TABLE_3[-1])]
    assert ends == [(row.rank1, row.mean_ap) for row in (published.TABLE_4_CLIP_REID, published.TABLE_4_SCHP)]


def test_table_5_adds_up_and_its_teachers_are_table_2_s() -> None:
    student = published.TABLE_5_STUDENT
    taught = (published.TABLE_5_CLIP_REID_STUDENT, published.TABLE_5_PI_VL_STUDENT)
    gains = [(round(row.rank1 - student.rank1, 1), round(row.mean_ap - student.mean_ap, 1)) for row in taught]
    assert gains == [(1.2, 0.9), (2.1, 1.6)]
    for teacher in TABLE_5[:2]:
        printed = _printed(teacher.method, "CNN", published.MARKET)
        assert (printed.rank1, printed.mean_ap) == (teacher.rank1, teacher.mean_ap)


def test_table_2_bears_what_the_text_says_of_it() -> None:
    def rank1(method: str, backbone: str) -> float:
        return _printed(method, backbone, "MSMT17").rank1

    assert rank1("ABD-Net", "CNN") - rank1("CDNet", "CNN") == pytest.approx(3.4)
    assert rank1("CLIP-ReID", "ViT") - rank1("TransReID", "ViT") == pytest.approx(4.4)
    best = _printed("PI-VL", "ViT", "MSMT17")
    assert (best.rank1, best.mean_ap) == (90.3, 76.5)


def test_table_2_has_pi_vl_in_the_lead_but_for_two_rank_1_figures() -> None:
    """The paper claims the lead everywhere; two rows contradict it. A number in the wrong column would show as well."""
    ahead = []
    for item in published.TABLE_2:
        best = _printed("PI-VL", item.backbone, item.dataset)
        assert item.mean_ap <= best.mean_ap
        assert item.mean_ap < item.rank1
        if item.rank1 > best.rank1:
            ahead.append((item.method, item.dataset))
    assert ahead == [("ISP", "Occluded-Duke"), ("PAT", "Occluded-Duke")]


def test_every_published_number_has_one_place() -> None:
    tables = published.TABLE_2 + TABLE_3 + TABLE_4 + TABLE_5
    places = Counter((item.source, item.dataset) for item in tables)
    assert set(places.values()) == {1}
    rows = Counter(item.source.rsplit(" ", 1)[0] for item in tables)
    assert rows == {
        "Table 2, CNN row": 50,
        "Table 2, ViT row": 19,
        "Table 3, row": 4,
        "Table 4, row": 4,
        "Table 5, row": 5,
    }


def test_the_first_contradiction_is_in_the_numbers() -> None:
    twice = _printed("PI-VL", "CNN", published.DUKE), published.TABLE_3_PI_VL
    assert (twice[0].mean_ap, twice[1].mean_ap) == (81.3, 81.6)
    assert twice[0].mean_ap == published.TABLE_3_IDENTITY_PARTS.mean_ap


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_contrasts_compare_rows_of_the_study_each_pair_once(study: Study) -> None:
    names = {row.name for row in study.rows}
    for pair in study.contrasts:
        assert {pair.row, pair.against} <= names
        assert pair.row != pair.against
    assert len({frozenset((pair.row, pair.against)) for pair in study.contrasts}) == len(study.contrasts)


def test_each_step_of_table_3_is_a_contrast_with_the_row_above_it() -> None:
    steps = pairwise(row.name for row in ABLATION.rows if row.default)
    assert [(pair.against, pair.row) for pair in ABLATION.contrasts] == list(steps)
