"""Progress display and short texts for a terminal.

Door: harness.display.progress.Progress.
Example: `Progress.on_stderr(quiet=False).note("3 of 4 runs are finished")`
"""
