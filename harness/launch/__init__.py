"""Tasks are handed to worker processes, on this machine or on a Dask cluster.

Door: harness.launch.launcher.make_launcher.
Example: `make_launcher(plan, results, progress, Options(jobs=2)).run()`
"""
