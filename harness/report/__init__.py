"""Tables and forecasts are printed: Markdown, CSV, JSON, PNG, cards.

Door: harness.report.markdown.markdown; harness.report.export for JSON and CSV.
Example: `print(markdown(table))`
"""
