"""A child process asked for one thing: its events, and how it ended."""

import pytest

from harness.system.worker_process import ProcessFailed, WorkerProcess

PROGRAM = ("tests.support.echo_worker",)


def test_a_process_is_asked_and_ends_with_its_input_or_says_why_not():
    asked = WorkerProcess.ask(PROGRAM, {"number": 1})
    assert next(asked)["event"] == "ready"
    assert next(asked)["number"] == 1
    asked.close()
    assert [event["event"] for event in WorkerProcess.ask(PROGRAM, {"die": 0})] == ["ready"]
    with pytest.raises(ProcessFailed, match="last words"):
        list(WorkerProcess.ask(PROGRAM, {"die": 1}))
