"""The command line: one file per command, which parses, calls harness.api or a room's door, and prints.

Door: harness.cli.main.main, the command `pivl-bench`.
Example: `pivl-bench run ablation --preset smoke`
"""
