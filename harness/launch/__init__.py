"""Tasks are handed to worker processes, on this machine or on a Dask cluster.

Door: harness.launch.launcher.launch.
Example: `launch(plan, results, progress, Options(jobs=2))`
"""
