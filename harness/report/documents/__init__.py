"""README and docs show committed results: tables are inserted, and a picture is drawn, from results/reference.

Doors: harness.report.documents.refresh.refresh; tables.insert and overview.draw_overview beside it.
Example: `python -m harness.report.documents.refresh`
"""
