"""Published tables read for what they can support: how much one run per cell could show, and whether its figures add up.

Door: harness.claims.report.PRINTERS, of what harness.claims.appraisal.appraise returns.
Example: `PRINTERS["markdown"](appraise(paper_tables(), {}))`, which is `pivl-bench claims`.
"""
