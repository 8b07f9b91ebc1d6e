"""Figures of a study are drawn from stored runs: what the paper shows, and what a reader of a table asks next.

Doors: harness.report.figures.drawing.draw for a figure by name; harness.report.figures.plate.keep writes one.
Example: `keep(find_drawing("gains")(asked), paths)`
"""
