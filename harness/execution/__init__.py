"""Executes tasks inside a worker process: train, checkpoint, score, record.

Door: `python -m harness.execution.worker TASK.json`; harness.execution.task_runner.execute in a process of one's own.
Example: `python -m harness.execution.worker task.json --results results --device cpu`
"""
