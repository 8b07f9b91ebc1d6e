"""Commands about what results can bear: figures of runs, printed tables of others, and experiments to come.

Doors: the commands harness.cli.evidence.figure.figure, harness.cli.evidence.claims.claims and harness.cli.evidence.power.power.
Example: `pivl-bench claims table.csv --dataset market1501`.
"""
