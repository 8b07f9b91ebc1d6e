"""Files, processes, parallel jobs and random streams, for the method and the harness alike.

Door: each file: files.write_atomically, parallel.spread, data_parallel.mean, random_streams.Streams.
Example: `write_text(Path("table.md"), text)`
"""
