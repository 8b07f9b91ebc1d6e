"""The tests mirror the code: whoever knows a file knows where it is tested; and none imports another."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("test_*.py"))
PACKAGES = ("harness", "pivl", "studies")
OTHER = re.compile(
    r"\btests(?:\.\w+)*\.test_\w+"
)  # in imports, and in code that is run by a process of a test's

# Files and rooms without a test file of their own, by the tests that hold them: what is only ever asked for by its
# neighbour, only means something with its neighbours (a shaded picture, a trained parser), or is a table of constants.
HELD_BY = {
    "harness/analysis/outcomes.py": "harness/analysis/test_comparison.py",
    "harness/analysis/protocol.py": "harness/cli/models/test_compare.py",
    "harness/analysis/significance.py": "harness/analysis/test_statistics.py",
    "harness/analysis/table.py": "harness/analysis/test_comparison.py",
    "harness/analysis/costs.py": "harness/analysis/test_comparison_transfer.py",
    "harness/claims/paper.py": "harness/claims/test_appraisal.py",
    "harness/claims/contrasts.py": "harness/claims/test_appraisal.py",
    "harness/claims/sentences.py": "harness/claims/test_appraisal.py",
    "harness/claims/datasets.py": "harness/claims/test_reading.py",
    "harness/claims/table.py": "harness/claims/test_reading.py",
    "harness/claims/ranks/[fr]*.py": "harness/claims/ranks/test_across.py",
    "harness/claims/report.py": "harness/claims/test_findings.py",
    "harness/power/report.py": "harness/power/test_forecast.py",
    "harness/power/figure.py": "harness/power/test_forecast.py",
    "harness/cli/completion.py": "harness/cli/test_main.py",
    "harness/analysis/answer.py": "harness/test_api.py",
    "harness/cli/answer.py": "harness/plan/test_departures.py",
    "harness/cli/options.py": "harness/cli/test_main.py",
    "harness/display/*": "harness/display/test_progress.py",
    "harness/execution/distributed.py": "end_to_end/test_ranks_embedded.py",
    "harness/execution/*": "harness/cli/test_run.py",
    "harness/experiment/*": "harness/experiment/test_resolve.py",
    "harness/external/forms/*": "harness/external/forms/test_reader.py",
    "harness/report/evaluation.py": "harness/cli/models/test_evaluate.py",
    "harness/external/evaluating.py": "harness/cli/models/test_evaluate.py",
    "harness/external/[efm]*": "harness/cli/models/test_extract.py",
    "harness/external/*": "harness/cli/models/test_compare.py",
    "harness/report/page/spread.py": "harness/report/page/test_study_page.py",
    "harness/inputs/student_weights.py": "harness/analysis/test_comparison_transfer.py",
    "harness/inputs/map_scores.py": "harness/analysis/test_comparison_parsers.py",
    "harness/inputs/backbones.py": "harness/experiment/test_resolve.py",
    "harness/inputs/*": "harness/inputs/test_on_disk.py",
    "harness/launch/*": "harness/launch/test_task_queue.py",
    "harness/perf/*": "harness/perf/test_perf.py",
    "harness/plan/preparation.py": "harness/plan/test_carry_over.py",
    "harness/plan/*": "harness/plan/test_forecast.py",
    "harness/report/figures/*": "harness/report/figures/test_figures.py",
    "harness/report/plan.py": "harness/cli/test_plan.py",
    "harness/report/parsing_scores.py": "pivl/parsers/test_score.py",
    "harness/report/*": "harness/analysis/test_comparison.py",
    "harness/search/session.py": "harness/cli/test_search.py",
    "harness/search/space.py": "studies/test_searches.py",
    "harness/search/trial_workers.py": "end_to_end/test_search_runs.py",
    "harness/search/journal.py": "harness/search/test_agreement.py",
    "harness/search/[fr]*.py": "harness/search/test_snapshot.py",
    "harness/search/*": "harness/search/test_storage.py",
    "harness/store/integrity.py": "harness/cli/test_results.py",
    "harness/store/kept_tables.py": "harness/cli/test_results.py",
    "harness/store/manifest.py": "harness/store/test_records_harmed.py",
    "harness/store/row_index.py": "harness/tracking/test_tracking.py",
    "harness/store/*": "harness/store/test_records.py",
    "harness/system/gpus.py": "harness/launch/test_task_queue.py",
    "harness/system/*": "harness/cli/test_run.py",
    "harness/tracking/*": "harness/tracking/test_tracking.py",
    "pivl/data/augmentation/*": "pivl/data/augmentation/test_augment.py",
    "pivl/data/cache/*": "pivl/data/cache/test_decode.py",
    "pivl/data/datasets/by_size.py": "harness/plan/test_carry_over.py",
    "pivl/data/datasets/enough.py": "harness/plan/test_refusals.py",
    "pivl/data/datasets/lines.py": "pivl/data/datasets/test_strict_csv.py",
    "pivl/data/datasets/*": "pivl/data/datasets/test_catalog.py",
    "pivl/data/part_maps/writing.py": "pivl/parsers/test_parse_folder.py",
    "pivl/data/part_maps/*": "pivl/data/part_maps/test_voting.py",
    "pivl/data/store.py": "pivl/data/augmentation/test_augment.py",
    "pivl/data/*.py": "pivl/data/datasets/test_catalog.py",
    "pivl/deployment/exports/*": "pivl/deployment/exports/test_export.py",
    "pivl/deployment/foreign/*": "pivl/deployment/foreign/test_checkpoint.py",
    "pivl/deployment/*": "pivl/deployment/test_loading.py",
    "pivl/errors.py": "harness/cli/test_main.py",
    "pivl/evaluation/average_precision.py": "pivl/evaluation/test_retrieval.py",
    "pivl/evaluation/inference_cost.py": "harness/analysis/test_comparison_transfer.py",
    "pivl/model.py": "pivl/stages/test_prompt_tuning.py",
    "pivl/stages/target_texts.py": "pivl/stages/test_prompt_tuning.py",
    "pivl/parsers/degrade.py": "pivl/parsers/test_map_sources.py",
    "pivl/parsers/label_mapping.py": "pivl/parsers/test_score.py",
    "pivl/parsers/logits.py": "pivl/parsers/test_parser_torchscript.py",
    "pivl/parsers/schp_extractor.py": "pivl/parsers/test_schp.py",
    "pivl/parsers/*": "pivl/parsers/test_embedded.py",
    "pivl/synthped/person/*": "pivl/synthped/person/test_wardrobe.py",
    "pivl/synthped/rendering/*": "pivl/synthped/rendering/test_bodies.py",
    "pivl/synthped/pretraining/student_card.py": "pivl/synthped/pretraining/test_student.py",
    "pivl/synthped/pretraining/*": "pivl/synthped/pretraining/test_tiny_clip.py",
    "pivl/synthped/*.py": "pivl/synthped/test_benchmark.py",
    "pivl/system/homes.py": "harness/cli/test_paths.py",
    "pivl/system/ranges.py": "pivl/test_recipe.py",
    "pivl/system/processes.py": "harness/store/test_claims.py",
    "pivl/system/random_streams.py": "pivl/stages/test_prompt_tuning.py",
    "pivl/system/*": "harness/store/test_records.py",
    "pivl/towers/file_formats/*": "pivl/towers/file_formats/test_torch_files.py",
    "pivl/towers/student*.py": "pivl/towers/test_student.py",
    "pivl/towers/*.py": "pivl/towers/test_towers.py",
    "pivl/verification/*": "pivl/verification/test_verification.py",
    "studies/*": "studies/test_studies.py",
}


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def sources():
    """Every file of production code, from the root."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in paths if path.name != "__init__.py")


def is_about(test, source):
    """Whether a test file is named after a source or an aspect of it: test_train_rows.py is about train.py."""
    return test.stem == f"test_{source.stem}" or test.stem.startswith(f"test_{source.stem}_")


def without_a_test():
    return [
        source
        for source in sources()
        if not any(is_about(test, source) for test in (TESTS / source.parent).glob("test_*.py"))
    ]


def holder(source):
    """The pattern of HELD_BY that a source falls under; the first, so that files stand before their rooms."""
    return next((pattern for pattern in HELD_BY if fnmatch(source.as_posix(), pattern)), None)


def test_every_file_is_tested_by_one_of_its_name_or_it_is_said_by_which():
    missing = [str(source) for source in without_a_test() if holder(source) is None]
    assert not missing, "give these a test file, or a line in HELD_BY: " + ", ".join(missing)


def test_nothing_is_said_of_files_that_have_a_test_or_do_not_exist():
    used = {holder(source) for source in without_a_test()}
    useless = [pattern for pattern in HELD_BY if pattern not in used]
    assert useless == []
    assert [name for name in HELD_BY.values() if not (TESTS / name).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_file_is_named_after_a_file_or_the_room_it_lies_in(package):
    for test in sorted((TESTS / package).rglob("test_*.py")):
        room = ROOT / test.parent.relative_to(TESTS)
        assert room.is_dir(), f"{test.parent} mirrors no room"
        about = [*room.glob("[!_]*.py"), room]
        assert any(is_about(test, one) for one in about), f"{test} is named after nothing in {room.name}"


def test_no_test_file_is_imported_by_another():
    for path in FILES:
        others = {*OTHER.findall(path.read_text(encoding="utf-8"))} - {dotted(path)}
        assert not others, f"{path.name} needs {', '.join(sorted(others))}: move it to tests/support"


def test_readme_lists_every_support_module():
    listed = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (TESTS / "README.md").read_text("utf-8"), flags=re.M)
    names = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)}
    assert names == {path.stem for path in (TESTS / "support").glob("[!_]*.py")}
