"""The embedded benchmark: rendered pedestrians with exact part maps, and the tiny CLIP that starts on them.

Door: pivl.synthped.benchmark.load.
Example: `load(SYNTHPED, (128, 64)).train.image.shape`
"""
