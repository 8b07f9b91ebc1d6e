"""Options of a command that trains, none of which changes a result."""

from dataclasses import dataclass

from pivl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Options of running, which change no result.

    jobs: None for what suits the device. scheduler: that of a Dask cluster; None with launcher dask: one of its own.
    mlflow: whether MLflow is brought up to date.
    """

    device: str = "auto"
    jobs: int | None = None
    retry_failed: bool = False
    checkpoint_every: str = "auto"
    gpus_per_run: int = 1
    launcher: str = "local"
    scheduler: str | None = None
    mlflow: bool = True

    def check(self) -> None:
        """Raises UserError for options that do not agree, or a scheduler that does not answer."""
        if self.scheduler is None:
            return
        if self.launcher != "dask":
            raise UserError("--scheduler names a Dask cluster; say --launcher dask with it")
        from harness.launch.dask_cluster import check_scheduler

        check_scheduler(self.scheduler)
