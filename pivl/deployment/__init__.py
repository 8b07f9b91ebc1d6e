"""A trained model as its next user has it: loaded from its folder alone, with its transform and its description.

Door: pivl.load; pivl.deployment.loading.load.
Example: `load(Path("results/runs/0123456789abcdef"))`
"""
