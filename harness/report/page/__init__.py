"""A table is laid out as a page of blocks, which Markdown, HTML, LaTeX and a terminal have in common.

Doors: harness.report.page.document.lay_out for the blocks; harness.report.markdown.PRINTERS for what is made of them.
Example: `terminal(table, width=80)`
"""
