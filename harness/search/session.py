"""Runs a search: resolves the request, trains the shared stages once, runs the trials."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.experiment.request import Request
from harness.experiment.resolve import resolve_study
from harness.inputs import identity
from harness.inputs.choices import choose
from harness.launch.local import LocalLauncher
from harness.launch.options import Options
from harness.launch.task_queue import TaskQueue
from harness.plan.planner import make_plan
from harness.plan.task import Task
from harness.search.agreement import check_trials
from harness.search.report import show
from harness.search.request import SearchOptions
from harness.search.snapshot import KeptSearch, keep, kept_precision, kept_searches, show_search
from harness.search.space import around, confirmation
from harness.search.spec import PRUNERS, SAMPLERS, Place, Search, begun_in
from harness.search.trials import Trial, best
from harness.store.records import Results
from harness.store.run import Run
from harness.system.addresses import masked
from harness.tracking.view import ShownExperiment
from pivl.errors import UserError
from pivl.recipe import fields_before
from pivl.system.extras import need
from pivl.system.files import write_text
from studies.searches import SEARCH_PRESETS, SEARCHES, Space
from studies.study import Study

if TYPE_CHECKING:
    import optuna

AS_USUAL = SearchOptions()


@dataclass(frozen=True)
class SearchRequest:
    """The typed arguments of a search: its space, and its base row as an experiment."""

    asked: Request
    space: Space
    experiment: Experiment
    seed: int
    sampler: str
    pruner: str
    url: str | None

    @property
    def name(self) -> str:
        """The name of the space with its departures from the default."""
        return self.experiment.name

    def place(self, results: Results) -> Place:
        """The storage of its trials."""
        return Place(results.root / "searches" / self.name, self.url)


def ask_search(
    asked: Request,
    options: SearchOptions = AS_USUAL,
    results: Results | None = None,
    device: str = "auto",
) -> SearchRequest:
    """Returns the search of a request, its space in the place of a study.

    Raises UserError for what is unknown or does not agree. The precision `auto` is that in which the search was begun in
    `results`, and else what suits `device`.
    """
    need("optuna", "search", "a search")
    space, seed, url = SEARCHES[choose("search", asked.study, SEARCHES)], options.seed, options.storage
    if url is not None and not url.startswith("postgresql://"):
        raise UserError(
            f"--storage {masked(url).partition('://')[0]}: only postgresql://USER@HOST/DATABASE; without it, a file"
        )
    if asked.worlds:
        raise UserError("--worlds: settings are searched in world 0; leave it out")
    study = Study(space.name, space.title, "", (space.base,), space.base.name, "", space.dataset, (seed,))
    asked, seeds = replace(asked, seeds=None), asked.seeds
    known = None if results is None else lambda experiment: kept_precision(experiment.name, results)
    experiment = resolve_study(study, asked, SEARCH_PRESETS, known, device)
    for name in space.parameters:
        if name in experiment.changes:
            raise UserError(f"--set {name}: it is what {space.name} varies; leave it out")
    sampler, pruner = choose("sampler", options.sampler, SAMPLERS), choose("pruner", options.pruner, PRUNERS)
    if space.objective != "mAP":
        pruner = "none"  # what is known of a trial before its end is mAP
    asked = replace(asked, precision=experiment.precision, seeds=seeds)
    return SearchRequest(asked, space, experiment, seed, sampler, pruner, url)


def prepare(topic: SearchRequest, results: Results, progress: Progress) -> Search:
    """The search, with its images in the cache and the digests of all its inputs.

    Raises UserError for whatever is wrong with the data set or the weights.
    """
    from harness.inputs.loading import load, load_start
    from pivl.data.datasets.enough import check_enough
    from pivl.data.holdout import hold_out, rule_of, seal

    experiment = topic.experiment
    recipe = experiment.recipe(topic.space.base)
    load_start(experiment.inputs, recipe.image_size, recipe.patch_stride)
    split = load(experiment.inputs, experiment.size, progress, experiment.needs_confidence)
    if split.train.part_map is None:
        raise UserError(
            f"{experiment.dataset} has no part maps, which PI-VL needs; name their folder with --part-maps"
        )
    held = hold_out(seal(split), topic.seed)
    check_enough(held.name, int(held.train.person.max()) + 1, [recipe])
    digest = identity.weights_digest(experiment.inputs, results)
    run = Run(recipe, f"{experiment.dataset}-held-out", held.fingerprint, digest, topic.seed, maps=split.maps)
    return Search(
        name=topic.name,
        space=topic.space.name,
        title=topic.space.title,
        parameters=around(topic.space, recipe),
        run=run,
        inputs=replace(experiment.inputs, held_out=topic.seed),
        sampler=topic.sampler,
        pruner=topic.pruner,
        rule=rule_of(split.train),
        objective=topic.space.objective,
    )


def shared_stages(search: Search, results: Results) -> list[Task]:
    """The stages, not stored yet, that no parameter touches: every trial starts from them."""
    tasks = make_plan([search.cell(search.defaults)], results, retry_failed=True).tasks
    return [
        task for task in tasks if not task.is_run and not fields_before(task.stage) & set(search.parameters)
    ]


def do_trials(
    search: Search, place: Place, total: int, options: Options, results: Results, progress: Progress
) -> list[Trial]:
    """Runs trials until `total` are done, and returns all. Raises UserError if another search has the name."""
    from harness.search import storage
    from harness.search.trial_workers import TrialWorkers

    found = storage.find(search.name, place)
    begun, trials = (found[0], storage.trials(found[1])) if found else (search, [])
    check_trials(begun, trials, place, results)
    study = storage.begin(search, place)

    def remaining() -> int:
        return max(0, total - sum(trial.done for trial in storage.trials(study)))

    progress.note(f"{search.name}: {total - remaining()} of {total} trials are done")
    if remaining():
        task_queue = TaskQueue(shared_stages(search, results), results, progress)
        LocalLauncher(task_queue, options.device, 1).run()
        for reason in task_queue.failed.values():
            raise UserError(f"{search.name}: {reason}; every trial would start from that stage")
        work = {
            "search": search.to_json(),
            "folder": str(place.folder),
            "url": place.url,
            "results": str(results.root),
            "device": options.device,
            "total": total,
        }
        TrialWorkers(work, options.jobs, progress, remaining).run()
    return storage.trials(study)


def report(topic: SearchRequest, results: Results) -> tuple[str, list[Trial]]:
    """Returns what the search has found, in Markdown, and its trials; keeps both, with figures, in its folder.

    Raises UserError if it was not begun.
    """
    from harness.search import storage
    from harness.search.figures import draw
    from harness.search.report import markdown

    search, study = _find(topic, results)
    trials, folder = storage.trials(study), topic.place(results).folder
    check_trials(search, trials, topic.place(results), results)
    text = markdown(search, trials, storage.importance(study), draw(search, trials, folder))
    write_text(folder / "report.md", text)
    keep(KeptSearch(search, trials, folder), results)
    return text, trials


def track(topic: SearchRequest, results: Results, progress: Progress) -> None:
    """Shows MLflow the trials, as `report` kept them."""
    from harness.tracking.refresh import show_experiments

    def read() -> list[ShownExperiment]:
        folder = topic.place(results).folder
        return [show_search(one, results) for one in kept_searches(results) if one.folder == folder]

    show_experiments(read, results, progress)


def ask_confirmation(topic: SearchRequest, results: Results) -> Experiment | None:
    """The experiment that confirms the best setting on the test identities; None if the default settings are best.

    Raises UserError where no trial has finished.
    """
    from harness.search import storage

    search, study = _find(topic, results)
    trials = storage.trials(study)
    check_trials(search, trials, topic.place(results), results)
    winner = best(trials)
    if winner is None:
        raise UserError(
            f"{topic.name}: no trial has finished; pivl-bench search {topic.space.name} continues it"
        )
    if winner.setting == search.defaults:
        return None
    said = (
        f"Its setting is the best of {len(trials)} trials, number {winner.number}, by mAP {winner.value:.1f} of held-out "
        f"training identities: {', '.join(f'{name} {show(value)}' for name, value in winner.setting.items())}."
    )
    study_of_two = confirmation(topic.space, winner.setting, said)
    experiment = resolve_study(study_of_two, topic.asked, SEARCH_PRESETS)
    if experiment.recipe(topic.space.base) != search.run.recipe:
        raise UserError(
            f"{topic.name} was started with another recipe; name the same options as for the search"
        )
    return experiment


def _find(topic: SearchRequest, results: Results) -> "tuple[Search, optuna.Study]":
    from harness.search import storage

    found = storage.find(topic.name, topic.place(results))
    if found is None:
        begun = begun_in(results.root)
        there = f"; there are {', '.join(begun)}" if begun else ""
        raise UserError(
            f"{topic.name} was not started in {results.root}{there}; pivl-bench search {topic.space.name}, with the "
            "same options, starts it"
        )
    return found
