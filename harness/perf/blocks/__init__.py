"""The blocks of `pivl-bench perf`, one file each.

Door: each file's measure(setting), which returns a Block.
Example: `dense.measure(setting).bars`
"""
