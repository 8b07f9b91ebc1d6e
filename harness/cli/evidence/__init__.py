"""Commands about what results can bear: figures of runs, tables and values of others, experiments to come.

Doors: the commands figure.figure, claims.claims, power.power and verify.verify of harness.cli.evidence.
Example: `pivl-bench claims table.csv --dataset market1501`.
"""
