"""`pivl-bench perf`: what takes how long, each beside a limit or a written-out version of the same in the same process.

A block a file; every block is measured in one process that is set up as workers are (harness.origin.begin_computing), but
for the evaluation, whose sizes take processes of their own so that their peak memory can be told.
"""
