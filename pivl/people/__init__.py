"""The embedded benchmark: procedural pedestrians with exact part maps and captions, and the tiny CLIP that knows them."""
