"""Optuna searches recipe fields on people held out of the training set, by workers that may come and go.

Door: harness.search.session; `python -m harness.search.worker WORK.json` for a worker.
Example: `do_trials(search, place, total=40, options=options, results=results, progress=progress)`
"""
