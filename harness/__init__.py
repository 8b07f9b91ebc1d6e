"""The machine: what is typed or called becomes experiments, runs, records and tables.

Door: harness.api for Python, `pivl-bench` (harness.cli.main) for a terminal; README.md beside this file has the rooms.
Example: `from harness import api; answer = api.run(api.Request("ablation", preset="smoke"))`
"""
