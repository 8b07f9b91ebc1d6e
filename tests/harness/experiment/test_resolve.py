"""What a person typed becomes one experiment; what does not agree is one line."""

from dataclasses import asdict, replace

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.inputs.backbones import backbones, find_backbone
from harness.search.session import ask_search
from pivl.data.benchmarks import BENCHMARKS
from pivl.errors import UserError
from pivl.recipe import CLIP_REID_CNN, CLIP_REID_VIT, CLIP_REID_VIT_SIE_OLP
from pivl.towers.clip_catalog import named_clips
from studies.backbones import EMBEDDED_BACKBONES
from studies.published import DATASETS, TABLE_2


def recipe(row="clip-reid", study="ablation", **typed):
    experiment = resolve(Request(study, **typed))
    return experiment.recipe(next(one for one in experiment.study.rows if one.name == row))


@pytest.mark.parametrize(
    ("backbone", "config"),
    [("rn50", CLIP_REID_CNN), ("vit-b-16", CLIP_REID_VIT), ("vit-b-16-sie-olp", CLIP_REID_VIT_SIE_OLP)],
)
def test_clip_reids_row_of_table_2_is_its_codes_and_that_of_table_3_has_the_papers_stage_1(backbone, config):
    """Without text it has the weights of its *_base.yml: 1 and 1, whatever the backbone."""
    typed = {"dataset": "market1501", "backbone": backbone, "precision": "fp32"}
    assert recipe(study="comparison", **typed) == config
    assert recipe(**typed) == replace(config, prompt_sampling="identity", identity_epochs=60)
    assert recipe("no-text", study="controls", **typed) == replace(
        config, identity_weight=1.0, image_to_text_weight=0.0
    )


def test_the_rows_of_table_3_share_stage_1a_on_every_backbone():
    for backbone in backbones():
        paper, code = (find_backbone(backbone).recipes[start] for start in ("paper", "code"))
        differ = {name: value for name, value in asdict(paper).items() if value != asdict(code)[name]}
        epochs = {"identity_epochs": 60} if find_backbone(backbone).kind == "vit" else {}
        assert differ == (
            {} if backbone in EMBEDDED_BACKBONES else {"prompt_sampling": "identity", **epochs}
        ), backbone
    experiment = resolve(Request("ablation", dataset="market1501", backbone="vit-b-16"))
    first, *others = [
        experiment.recipe(row).stage_choices("identity-prompts") for row in experiment.study.rows
    ]
    assert all(other == first for other in others)


def test_students_of_a_vit_see_pictures_as_imagenets_weights_did():
    experiment = resolve(Request("transfer", dataset="market1501", backbone="vit-b-16"))
    seen = {row.name: experiment.recipe(row) for row in experiment.study.rows}
    for name, made in seen.items():
        assert made.normalization_of("image-tower") == ("imagenet" if name.startswith("student") else "half")
        assert made.stage_choices("part-prompts") == seen["pi-vl"].stage_choices("part-prompts")


def test_a_row_that_only_rendered_people_can_have_is_left_out_or_refused_elsewhere():
    rendered, disk = (resolve(Request("controls", dataset=name)) for name in (None, "market1501"))
    assert {*rendered.rows} - {*disk.rows} == {"descriptions"}
    with pytest.raises(
        UserError, match="--rows descriptions: only rendered people can have that; leave it out"
    ):
        resolve(Request("controls", dataset="market1501", rows="descriptions"))


def test_a_backbone_of_a_name_has_its_patches_and_its_architecture():
    for name in backbones():
        base = find_backbone(name)
        assert {one.backbone for one in base.recipes.values()} == {name.removesuffix("-sie-olp")}
        if base.clip is None:
            continue
        vision = named_clips()[base.clip].architecture.vision
        assert vision.kind == base.kind
        if base.kind == "vit" and not name.endswith("olp"):
            assert base.recipes["paper"].patch_stride == vision.patch


@pytest.mark.parametrize(
    ("typed", "backbone"),
    [
        ("RN50x16", "rn50x16"),
        ("ViT-B-16", "vit-b-16"),
        ("ViT-B/16", "vit-b-16"),
        ("vit-l-14-336-quickgelu", "vit-l-14-336"),
        ("ViT-B-16-gelu", "vit-b-16-gelu"),
        ("ViT-H-14-quickgelu", "vit-h-14-quickgelu"),
        ("resnet", "resnet"),
    ],
)
def test_a_backbone_is_known_in_any_spelling(typed, backbone):
    experiment = resolve(Request("ablation", dataset="market1501", backbone=typed, precision="fp32"))
    assert experiment.inputs.backbone == backbone
    assert experiment.recipe(experiment.study.rows[0]).backbone == backbone


def test_every_public_data_set_has_the_papers_name_for_it():
    assert set(DATASETS) == set(BENCHMARKS)
    assert {item.dataset for item in TABLE_2} == set(DATASETS.values())


def test_overrides_reach_every_row_and_give_way_to_what_makes_the_row():
    typed = {"overrides": ("epochs=3", "image_size=64x32", "fusion=last", "warmup_epochs=1.2")}
    changed = recipe("pi-vl", **typed)
    assert (changed.epochs, changed.image_size, changed.fusion) == (3, (64, 32), "pyramid")


def test_an_override_that_equals_the_default_in_another_type_is_no_other_choice():
    overridden = recipe(dataset="market1501", precision="fp32", overrides=("warmup_epochs=10.0",))
    assert isinstance(overridden.warmup_epochs, int)  # 10 and 10.0 would be two ids


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("epoch=3", "did you mean 'epochs'?"),
        ("epochs=many", "epochs takes a whole number, as 120"),
        ("rate=nan", "rate takes a number, as 0.00035"),
        ("image_size=64", "image_size takes whole numbers, as 256x128"),
        ("fusion=sum", "fusion is 'sum'; it must be one of 'last', 'pyramid'"),
        ("epochs=-1", "epochs is -1; it must be at least 1"),
        ("backbone=rn50", "recipe field 'backbone' is set by --backbone"),
        ("people_per_batch=0", "--set: people_per_batch is 0; it must be at least 2"),
        ("flip_probability=1.5", "flip_probability is 1.5; it must be at most 1"),
        ("epochs=" + "9" * 30, "epochs is 999999999999999999999999999999; it must be at most 100000"),
        ("epochs=" + "9" * 5000, f"--set epochs={'9' * 40}: epochs takes a whole number, as 120"),
        ("rate=1e999", "rate takes a number, as 0.00035"),
        ("image_size=100x50", "image size 100x50 does not fit a ResNet; use multiples of 16"),
        ("milestones=70,40", "milestones is (70, 40); they must rise"),
    ],
)
def test_a_wrong_override_is_one_line(override, said):
    with pytest.raises(UserError) as refused:
        resolve(Request("ablation", overrides=(override,)))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"rows": "pi-vl", "overrides": ("fusion=last",)},
            "--set fusion: each row asked for has its own (pi-vl); leave it out",
        ),
        (
            {"rows": "part-labels,pi-vl", "overrides": ("part_text=none",)},
            "--set part_text: each row asked for has its own (part-labels, pi-vl)",
        ),
        ({"overrides": ("epochs=1", "epochs=2")}, "--set epochs: it is set twice"),
        (
            {"rows": "pi-vl-joint", "overrides": ("global_text=before-parts",)},
            "--set global_text: each row asked for has its own (pi-vl-joint); leave it out",
        ),
        (
            {"rows": "pi-vl", "overrides": ("part_schedule=joint",)},
            "part_schedule joint leaves no tokens before parts; global_text must be tuned",
        ),
    ],
)
def test_a_change_that_reaches_no_row_or_fits_none_is_refused(typed, said):
    with pytest.raises(UserError) as refused:
        resolve(Request("ablation", **typed))
    assert said in str(refused.value)


def test_a_change_that_reaches_some_rows_is_made_and_the_others_are_known():
    experiment = resolve(Request("ablation", overrides=("fusion=pyramid", "part_text=label", "epochs=1")))
    assert experiment.kept == {"part_text": ["identity-parts", "pi-vl"]}
    assert resolve(Request("ablation", rows="pi-vl", overrides=("fusion=pyramid",))).kept == {}
    with pytest.raises(UserError, match="each row asked for has its own"):
        ask_search(Request("loss-weights", overrides=("fusion=last",)))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"dataset": "market"}, "unknown data set 'market'; known: synthped, synthped-mini, market1501"),
        ({"backbone": "rn-50"}, "did you mean 'rn50'?"),
        ({"backbone": "ViT-L-14-335"}, "did you mean 'vit-l-14-336'?"),
        (
            {"backbone": "ViT-L-14-CLIPA"},
            "known: tiny, tiny-global, tiny-vit, tiny-vit-sie-olp, rn50, vit-b-16, vit-b-16-sie-olp, resnet, vit, ",
        ),
        ({"data_root": "/data"}, "--data-root: synthped is rendered"),
        ({"part_maps": "/maps"}, "--part-maps: synthped is rendered"),
    ],
)
def test_what_does_not_agree_is_one_line(typed, said):
    with pytest.raises(UserError) as refused:
        resolve(Request("ablation", **typed))
    assert said in str(refused.value)


def test_a_question_is_named_by_what_is_not_usual():
    def name(**typed):
        return resolve(Request("ablation", **typed)).name

    assert name() == "ablation"
    assert name(preset="smoke") == "ablation-smoke"
    assert name(dataset="dukemtmc", precision="fp32") == "ablation-dukemtmc-rn50"
    assert name(dataset="a/people.csv", backbone="tiny", rerank=True) == "ablation-people-reranked"


def test_a_title_names_the_backbone_but_not_the_benchmarks_own_and_names_of_files_stay():
    typed = {"dataset": "market1501", "precision": "fp32"}
    small, usual = (resolve(Request("ablation", backbone=one, **typed)) for one in ("tiny", "rn50"))
    assert [one.setting for one in (small, usual)] == ["market1501, tiny", "market1501, rn50"]
    assert [one.name for one in (small, usual)] == ["ablation-market1501", "ablation-market1501-rn50"]
    assert resolve(Request("ablation")).setting == "synthped"


def test_every_world_is_an_experiment_with_a_name_and_inputs_of_its_own():
    asked = resolve_all(Request("starts", worlds="0,2"))
    assert [(one.name, one.inputs.world, one.setting) for one in asked] == [
        ("ablation", 0, "synthped"),
        ("ablation-world2", 2, "synthped, world 2"),
        ("ablation-tiny-global", 0, "synthped, tiny-global"),
        ("ablation-world2-tiny-global", 2, "synthped, world 2, tiny-global"),
    ]
    assert resolve(Request("ablation", worlds="0")) == resolve(Request("ablation"))
    assert resolve(Request("parsers", worlds="1")).all_inputs(["parser-s"])[0].world == 1


@pytest.mark.parametrize(
    ("ask", "typed", "said"),
    [
        (resolve_all, {"worlds": "1", "dataset": "market1501"}, "--worlds: only rendered people can be drawn anew"),
        (resolve_all, {"worlds": "0-1", "external": ("a=b.npz",)}, "--with: descriptors of other code are of"),
        (resolve, {"worlds": "0-1"}, "--worlds 0-1: several are for run, plan, table and power; name one, as 0"),
        (resolve_all, {"worlds": "one"}, "--worlds one: 'one' is no world"),
        (ask_search, {"study": "loss-weights", "worlds": "1"}, "--worlds: settings are searched in world 0"),
    ],
    ids=["on disk", "descriptors", "one experiment", "no world", "search"],
)  # fmt: skip
def test_worlds_that_cannot_be_are_one_line(ask, typed, said):
    with pytest.raises(UserError) as refused:
        ask(Request(**{"study": "ablation", **typed}))
    assert said in str(refused.value)
