"""Speed is measured beside limits and beside the same work written out plainly.

Door: `python -m harness.perf.worker`, which `pivl-bench perf` starts.
Example: `pivl-bench perf --only dense,input --format json`
"""
