"""Data sets on disk: listed and checked by the name of a public one or by a csv file.

Door: pivl.data.datasets.catalog.load.
Example: `survey("people.csv", None)`
"""
