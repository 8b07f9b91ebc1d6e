"""The method: CLIP-ReID and PI-VL, from pictures and part maps to a model and its scores.

Door: pivl.recipe.Recipe, pivl.train.Trainer, pivl.evaluation; README.md beside this file leads from equations to files.
Example: `Trainer(Recipe(part_text="label"), split, clip, seed=0, device=torch.device("cpu"), report=print)`
"""
