"""The functions run, plan, table, power, figure, report and search, with values as typed; the commands call them.

    from harness import api

    request = api.Request("ablation", preset="smoke", rows="clip-reid", seeds="0")
    answer = api.run(request, "results", api.Options(device="cpu", mlflow=False))
    answer.complete              # whether every run that was asked for is finished
    answer.table.lines[0].means  # metrics with intervals
    answer.records               # pandas: a line per finished run, with row, seed, id and metrics

`results`: where runs are recorded, none twice. Without `progress` nothing is printed. A mistake is a UserError, one line.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.answer import Answer
from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all, resolve_worlds
from harness.launch.launcher import make_launcher
from harness.launch.options import Options
from harness.plan.forecast import Forecast, Host, forecast
from harness.plan.preparation import foresee, is_shown, prepare
from harness.plan.prepared import Prepared
from harness.plan.throughput import Throughput
from harness.report import study_table
from harness.report.figures.options import FigureOptions
from harness.report.plan import brief
from harness.search.request import SearchOptions
from harness.store.atomic import check_place
from harness.store.records import Results
from harness.system.devices import check_precision, choose_device, device_without_torch
from harness.tracking import refresh

if TYPE_CHECKING:
    from harness.analysis.table import Table
    from harness.power.forecast import Forecast as PowerForecast
    from harness.search.session import SearchRequest
    from harness.search.trials import Trial

__all__ = [
    "Answer",
    "FigureOptions",
    "Options",
    "Request",
    "SearchAnswer",
    "SearchOptions",
    "confirm",
    "figure",
    "plan",
    "power",
    "report",
    "run",
    "search",
    "show_search",
    "table",
]

Show = Callable[["Table"], object]
AS_USUAL, SEARCH_AS_USUAL, FIGURE_AS_USUAL = Options(), SearchOptions(), FigureOptions()


@dataclass(frozen=True)
class SearchAnswer:
    """The trials of a search, the best of the finished ones, and the report in Markdown."""

    trials: "tuple[Trial, ...]"
    best: "Trial | None"
    report: str


def run(
    request: Request,
    results: Path | str = "results",
    options: Options = AS_USUAL,
    progress: Progress | None = None,
    show: Show = lambda table: None,
) -> Answer:
    """Trains and scores what the request still lacks; returns what is then recorded.

    `show` is called with each table before MLflow is brought up to date, which takes seconds.
    """
    store = _open(results, progress)
    return _answer(resolve_all(request, store, options.device), store, _display(progress), options, show)


def plan(
    request: Request,
    results: Path | str = "results",
    options: Options = AS_USUAL,
    progress: Progress | None = None,
) -> Forecast:
    """Returns what `run` would do, with its work, time and disk; starts nothing and renders no pictures."""
    store = _open(results, progress)
    experiments = resolve_all(request, store, options.device)
    check_place(store.root)
    study_table.check_joined(experiments)
    prepared = foresee(experiments, store, _display(progress), options.retry_failed)
    return _forecast(experiments, prepared, store, options)


def table(request: Request, results: Path | str = "results", progress: Progress | None = None) -> Answer:
    """Returns what is recorded of a study; trains nothing, and what is missing says so in its place."""
    store = _open(results, progress)
    return _read(resolve_worlds(request, store), store, _display(progress))


def power(
    request: Request,
    results: Path | str = "results",
    gain: float | None = None,
    progress: Progress | None = None,
) -> "tuple[PowerForecast, ...]":
    """Returns what seeds and people the contrasts of each study need, from its runs; `gain`: to find so many points."""
    from harness.power.forecast import forecast as forecast_power

    store, found = _open(results, progress), []
    for experiment in resolve_all(request, store):
        answer = _read([experiment], store, _display(progress))
        recorded, planned = answer.outcomes[0], len(experiment.seeds)
        found.append(forecast_power(answer.table, recorded, store, planned, gain))
    return tuple(found)


def figure(
    name: str,
    request: Request,
    results: Path | str = "results",
    options: FigureOptions = FIGURE_AS_USUAL,
    output: Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Draws a figure of what is recorded of a study, or all, with data and caption; returns the files written."""
    from harness.report.figures.drawing import draw

    store = _open(results, progress)
    return draw(name, resolve(request, store), store, _display(progress), options, output)


def report(
    request: Request,
    results: Path | str = "results",
    output: Path | str = "report.html",
    options: FigureOptions = FIGURE_AS_USUAL,
    progress: Progress | None = None,
) -> list[Path]:
    """Makes one HTML file that shows what is recorded of a study; returns it and the copy in the results folder."""
    from harness.claims.appraisal import say_of_sources
    from harness.report.figures.drawing import ask
    from harness.report.page.study_page import keep_page

    store = _open(results, progress)
    asked, name = ask(resolve(request, store), store, _display(progress), options)
    printed = say_of_sources([row.published.source for row in asked.table.study.rows if row.published])
    return keep_page(asked, request, name, Path(output), printed)


def search(
    request: Request,
    search: SearchOptions = SEARCH_AS_USUAL,
    results: Path | str = "results",
    options: Options = AS_USUAL,
    progress: Progress | None = None,
    show: Callable[[SearchAnswer], object] = lambda found: None,
) -> SearchAnswer:
    """Does the trials of a search that are still wanted, on held-out training people; `request.study` is its name.

    `show` as in `run`.
    """
    from harness.search import session

    store, progress = _open(results, progress), _display(progress)
    topic = session.ask_search(request, search, store, options.device)
    store.prepare()
    chosen = session.prepare(topic, store, progress)
    if options.mlflow:
        refresh.prepare(store, progress)
    session.do_trials(chosen, topic.place(store), search.trials, options, store, progress)
    found = _read_search(topic, store)
    show(found)
    if options.mlflow:
        session.track(topic, store, progress)
    return found


def show_search(
    request: Request, search: SearchOptions = SEARCH_AS_USUAL, results: Path | str = "results",
    progress: Progress | None = None,
) -> SearchAnswer:  # fmt: skip
    """Returns what a search has found so far, and draws its figures; does no trial."""
    from harness.search import session

    store = _open(results, progress)
    return _read_search(session.ask_search(request, search, store), store)


def confirm(
    request: Request,
    search: SearchOptions = SEARCH_AS_USUAL,
    results: Path | str = "results",
    options: Options = AS_USUAL,
    progress: Progress | None = None,
    show: Show = lambda table: None,
) -> Answer | None:
    """Measures the best setting of a search on the test people, at the seeds of the request, beside the default settings.

    Returns None where no trial did better than that.
    """
    from harness.search import session

    store = _open(results, progress)
    topic = session.ask_search(request, search, store, options.device)
    store.prepare()
    experiment = session.ask_confirmation(topic, store)
    if experiment is None:
        return None
    return _answer([experiment], store, _display(progress), options, show)


def _answer(
    experiments: Sequence[Experiment], store: Results, progress: Progress, options: Options, show: Show
) -> Answer:
    """Does what is still to do of the experiments, and records it; what several of them need is done once."""
    options.check()
    store.prepare()
    study_table.check_joined(experiments)
    prepared = prepare(experiments, store, progress, options.retry_failed)
    how_far, *details = brief(_forecast(experiments, prepared, store, options))
    for line in (how_far, *(details if prepared.plan.tasks else ())):
        progress.note(line)
    in_mlflow = options.mlflow and any(map(is_shown, experiments))
    if prepared.plan.tasks:
        with ThreadPoolExecutor(1) as beside:  # MLflow takes as long to load as the workers do
            if in_mlflow:
                beside.submit(refresh.prepare, store, progress)
            make_launcher(prepared.plan, store, progress, options).run()
    answer = _read(experiments, store, progress, prepared, show)
    if in_mlflow:
        refresh.show({experiment.name for experiment in experiments}, store, progress)
    return answer


def _read(
    experiments: Sequence[Experiment],
    store: Results,
    progress: Progress,
    prepared: Prepared | None = None,
    show: Show = lambda table: None,
) -> Answer:
    """Returns what is recorded of the experiments; see harness.report.study_table.read_tables."""
    tables, found = [], []
    for table, recorded in study_table.read_tables(experiments, store, progress, prepared):
        show(table)
        tables.append(table)
        found += recorded
    complete = all(map(study_table.is_complete, experiments, found))
    places = tuple((one.study.name, one.inputs.world) for one in experiments)
    return Answer(tuple(tables), places, tuple(found), complete)


def _forecast(
    experiments: Sequence[Experiment], prepared: Prepared, store: Results, options: Options
) -> Forecast:
    device, slots = device_without_torch(options.device) if prepared.plan.tasks else ("no device", 1)
    if options.launcher == "local" and any(
        task.run.recipe.precision == "fp16" for task in prepared.plan.tasks
    ):
        check_precision(choose_device(options.device), "fp16")
    host = Host(device, options.jobs or slots, Throughput.read(store, device))
    return forecast(experiments, prepared.requested, prepared.plan, store, host, prepared.identified)


def _read_search(topic: "SearchRequest", store: Results) -> SearchAnswer:
    from harness.search import session
    from harness.search.trials import best

    report, trials = session.report(topic, store)
    return SearchAnswer(tuple(trials), best(trials), report)


def _open(results: Path | str, progress: Progress | None) -> Results:
    return Results(Path(results), _display(progress).warn)


def _display(progress: Progress | None) -> Progress:
    """The display, or one that nobody sees."""
    return progress or Progress.unseen()
