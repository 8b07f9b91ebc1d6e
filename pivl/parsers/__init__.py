"""Human parsing: networks, importers of others' part maps, scores.

Doors: pivl.parsers.parse_folder.parse_folder, pivl.parsers.importers.import_maps, pivl.parsers.score.score_maps.
Example: `pivl-bench parse pictures/ --parser parser-l --output maps/`
"""
