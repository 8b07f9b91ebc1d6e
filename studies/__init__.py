"""The questions, as data: rows, recipes' changes, presets, searches, the paper's published numbers.

Door: studies.catalog.STUDIES.
Example: `STUDIES["ablation"].rows`
"""
