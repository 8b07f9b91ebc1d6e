"""Records are shown in MLflow; whatever is there can be made again from records.

Door: harness.tracking.refresh.
Example: `show_all(results)` writes every row that was ever requested to MLflow.
"""
