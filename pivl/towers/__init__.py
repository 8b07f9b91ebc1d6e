"""open_clip's image and text towers with dense features, students, and their weights from any file.

Door: pivl.towers.weights.load_clip.
Example: `load_clip(Path("RN50.pt")).vision(images).tokens`
"""
