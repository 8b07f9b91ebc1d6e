"""Figures of a study are drawn from stored runs: what the paper shows, and what a reader of a table asks next.

Doors: harness.figures.catalog.find_drawing for a drawing by name; harness.figures.plate.keep writes what it draws.
Example: `keep(find_drawing("gains")(asked), paths)`
"""
