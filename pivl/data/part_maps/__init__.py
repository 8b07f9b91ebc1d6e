"""Part maps: label sets, reading, writing, votes on a grid, confidence.

Doors: pivl.data.part_maps.files.find_maps and pivl.data.part_maps.voting.vote.
Example: `read_map(Path("a.png"), LIP, (128, 64))`
"""
