"""An experiment is laid out as cells and tasks; a forecast says what they cost in work, time and disk.

Doors: harness.plan.preparation.prepare and harness.plan.planner.make_plan.
Example: `make_plan(cells, results, retry_failed=False).tasks`
"""
