"""Records become statistics and a Table; nothing is written and nothing is trained.

Door: harness.analysis.comparison.build.
Example: `table = build(study, setting, outcomes)`, whose rows have estimates, gains and verdicts.
"""
