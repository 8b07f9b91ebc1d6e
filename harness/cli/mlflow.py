"""The command `pivl-bench mlflow`: its view of what is recorded, made again."""

from pathlib import Path

import click

from harness.cli.options import debug_option, path_option


@click.group()
def mlflow() -> None:
    """Sync records with MLflow, which run does by itself."""


@mlflow.command()
@path_option("--results", "results", "Where runs are recorded.")
@debug_option
def sync(results: Path) -> None:
    """Write every missing record to MLflow: after its database was lost, or its server was down.

    MLflow is the server or database at MLFLOW_TRACKING_URI, or else the file mlflow.db in the results. Running
    it again changes nothing.
    """
    from harness.display.progress import Progress
    from harness.search.snapshot import kept_searches, show_search
    from harness.store.records import Results
    from harness.tracking import refresh

    store = Results(results, Progress.on_stderr(quiet=False).warn)
    click.echo(refresh.show_all(store, [show_search(one, store) for one in kept_searches(store)]))
