"""Weights files of every kind, read as data: torch archives, legacy pickles, safetensors; no code of theirs runs.

Door: pivl.towers.file_formats.weights_file.read_state.
Example: `state, metadata = read_state(Path("RN50.pt"))`
"""
