"""Searches by Optuna: of recipe fields, judged on held-out training people, by worker processes that may come and go."""
