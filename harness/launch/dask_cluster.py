"""The launcher for a Dask cluster: each task is a process of harness.execution.worker that a Dask worker looks after.

Dask only says who does what. Results and checkpoints are in the results folder, which all hosts must see under the
same path, and so are the claims by which a task has one owner. A Dask worker that is lost takes its process with it,
and the scheduler gives the task to another one.
"""

import asyncio
import logging
import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness.launch.task_queue import POLL, TaskQueue
from harness.launch.worker_pool import WorkerPool, execution
from harness.plan.task import Task
from harness.store.records import Results
from harness.system.addresses import masked, within, without_login
from harness.system.gpus import Gpus, visible_gpus
from harness.system.worker_process import Event
from pivl.errors import UserError
from pivl.system.extras import need
from pivl.system.parallel import cores

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK = 0.5  # seconds between looks whether a task is still wanted
PATIENCE = 10.0  # seconds for a scheduler to answer; half of that to take the connection
NOTHING = "--scheduler {}: no Dask scheduler answers there; start one with dask scheduler"
ENDINGS = ("done", "found", "failed", "owned", "lost", "user-error")
_gpus = Gpus(visible_gpus())  # of this process, which may be a Dask worker with several threads


@dataclass
class DaskLauncher:
    """Does the tasks of a queue on the cluster of `scheduler`; None: one of `jobs` workers on this machine."""

    task_queue: TaskQueue
    device: str
    jobs: int | None = None
    gpus_per_run: int = 1
    scheduler: str | None = None
    _events: "queue.Queue[tuple[str, Event]]" = field(default_factory=queue.Queue)

    def run(self) -> None:
        """Runs all tasks; unfinished tasks are cancelled on the cluster if this raises."""
        topic = f"pivl-{uuid4()}"
        with _connect(self.scheduler, self.jobs, self.gpus_per_run, self.device) as client:
            client.subscribe_topic(topic, lambda event: self._events.put(event[1]))
            running: dict[str, tuple[Task, Future[Event]]] = {}
            wanted = self._resources(client)
            try:
                while self.task_queue.is_open:
                    while (task := self.task_queue.begin()) is not None:
                        running[task.id] = (task, self._submit(client, task, topic, wanted))
                    self._listen(running)
            finally:
                client.cancel([future for _, future in running.values()])
                self.task_queue.close()

    def _resources(self, client: "Client") -> dict[str, float]:
        """The Dask resources of a task: GPUs, if workers declare some."""
        found = client.scheduler_info()
        workers = found["workers"].values()
        if not workers:
            self.task_queue.progress.warn(f"no Dask worker yet; start one: dask worker {found['address']}")
        declared = any("GPU" in worker["resources"] for worker in workers)
        return {"GPU": self.gpus_per_run} if declared or self.device == "cuda" else {}

    def _submit(self, client: "Client", task: Task, topic: str, wanted: dict[str, float]) -> "Future[Event]":
        self.task_queue.progress.update(task.name, "with the scheduler")
        root = str(self.task_queue.results.root.resolve())
        future = client.submit(
            supervise, task.to_json(), root, self.device, self.gpus_per_run, topic,
            key=f"{task.id}-{uuid4()}", pure=False, resources=wanted,
        )  # fmt: skip
        future.add_done_callback(lambda _: self._events.put((task.id, {"event": "ended"})))
        return future

    def _listen(self, running: "dict[str, tuple[Task, Future[Event]]]") -> None:
        """Handles one event of the cluster."""
        try:
            task_id, event = self._events.get(timeout=POLL)
        except queue.Empty:
            return
        if task_id not in running:
            return  # it came later than its task's end
        task, future = running[task_id]
        if event["event"] != "ended":
            self.task_queue.handle_event(task, event)
            return
        del running[task_id]
        self.task_queue.handle_event(task, _outcome(future))


def supervise(value: dict[str, Any], root: str, device: str, gpus: int, topic: str) -> Event:
    """Runs one task in a process of its own on a Dask worker, forwards its events and returns its outcome."""
    from distributed import get_worker

    worker, task = get_worker(), Task.from_json(value)
    key, lender = worker.get_current_task(), _gpus if device in ("auto", "cuda") else Gpus([])
    try:
        with WorkerPool(execution(Path(root), device), device, 1, gpus, gpus=lender) as pool:
            pool.start().submit(task.to_json())
            while _is_wanted(worker, key):
                if (found := pool.next_event(LOOK)) is None:
                    continue
                _, event = found
                if event["event"] in ENDINGS:
                    return event
                if event["event"] != "ready":
                    worker.log_event(topic, (task.id, event))
            return {"event": "owned"}  # cancelled, or the Dask worker closes: nobody reads this
    finally:
        Results(Path(root), lambda text: None).sweep()


def _is_wanted(worker: Any, key: object) -> bool:
    """Whether the scheduler still wants the task from this Dask worker: a thread cannot be stopped from outside."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state == "executing" and worker.status.name in ("running", "paused")


def _outcome(future: "Future[Event]") -> Event:
    """The outcome of a task on the cluster. Raises UserError if the cluster itself failed."""
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise UserError(
            "the Dask scheduler has stopped; finished work is recorded, and the same command continues from there"
        )
    error = future.exception()
    if isinstance(error, KilledWorker):
        return {"event": "lost", "error": "each Dask worker that was at it was lost", "lines": [str(error)]}
    if isinstance(error, UserError):
        raise error
    if isinstance(error, ImportError):
        raise UserError(
            f"a Dask worker cannot import pivl-bench ({error}); install it in the workers' environment"
        )
    if error is not None:
        raise error
    return future.result()


@contextmanager
def _connect(scheduler: str | None, jobs: int | None, gpus: int, device: str) -> "Iterator[Client]":
    """A client of the scheduler, or of a local cluster that ends with it. Raises UserError."""
    _be_there()
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise UserError(NOTHING.format(masked(scheduler))) from error
        with client:
            yield client
        return
    here = [] if device in ("cpu", "mps") else visible_gpus()
    slots = max(1, len(here) // gpus) if here else cores()
    resources = {"GPU": len(here)} if here else {}
    heard = signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Dask's workers inherit it: Ctrl-C is for this process alone
    try:
        cluster = LocalCluster(
            n_workers=1 if here else jobs or slots,
            threads_per_worker=jobs or slots if here else 1,
            dashboard_address=None,
            memory_limit=None,
            resources=resources,
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.signal(signal.SIGINT, heard)
    with cluster, Client(cluster, timeout=PATIENCE) as client:
        yield client


def check_scheduler(address: str) -> None:
    """Raises UserError unless a Dask scheduler answers: Dask itself waits for any other program, or takes its word."""
    _be_there()
    from distributed.comm.core import CommClosedError

    there, remedy = (
        f"--scheduler {masked(address)}",
        "give the address that dask scheduler prints, as tcp://host:8786",
    )
    try:
        arguments = _connection_arguments(address)
    except ValueError as error:
        reason = without_login(str(error), address)
        raise UserError(f"{there} is no address for Dask ({reason}); {remedy}") from error
    try:
        kind = within(2 * PATIENCE, lambda: asyncio.run(_identity(address, arguments)))
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, CommClosedError | TimeoutError):
            raise UserError(NOTHING.format(masked(address))) from error
        raise UserError(
            f"{there}: what listens there is no Dask scheduler (its dashboard's port?); {remedy}"
        ) from error
    if kind != "Scheduler":
        raise UserError(f"{there}: a Dask {kind.lower()} answers there, not the scheduler; {remedy}")


def _be_there() -> None:
    """Raises UserError if Dask is not installed, and silences its log: the task queue reports."""
    need("distributed", "dask", "--launcher dask")
    for name in ("distributed", "distributed.client", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _connection_arguments(address: str) -> dict[str, Any]:
    """The connection arguments from Dask's configuration. Raises ValueError for an invalid address."""
    from distributed import Security
    from distributed.comm.addressing import get_address_host_port

    host, port = get_address_host_port(address)
    host.encode("idna")  # a label of more than 63 letters
    if not 0 < port < 65536:  # Dask takes the rest of a division
        raise ValueError(f"there is no port {port}")
    arguments = Security().get_connection_args("client")
    if address.startswith(("tls://", "wss://")) and not arguments.get("ssl_context"):
        raise ValueError("Dask's configuration names no certificates for TLS")
    return dict(arguments)


async def _identity(address: str, arguments: dict[str, Any]) -> str:
    """The kind of a Dask process: Scheduler, Worker or Nanny."""
    from distributed.core import rpc

    async with asyncio.timeout(PATIENCE):
        async with rpc(address, timeout=PATIENCE / 2, connection_args=arguments) as process:
            return str((await process.identity())["type"])
