"""The results folder: records, claims, checkpoints and notes, whole or absent, checked when read.

Door: harness.store.records.Results.
Example: `Results(Path("results"), warn=print).read_run("0123456789abcdef")`
"""
