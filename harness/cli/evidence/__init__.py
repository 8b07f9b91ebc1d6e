"""Commands about what results can bear: figures of runs, printed tables of others, and experiments to come.

Doors: the commands figure.figure, claims.claims and power.power of harness.cli.evidence.
Example: `pivl-bench claims table.csv --dataset market1501`.
"""
