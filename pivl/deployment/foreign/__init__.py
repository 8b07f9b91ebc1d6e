"""Checkpoints of other code as models: told by the names of their tensors, built in their shapes, read as data.

Door: pivl.deployment.foreign.checkpoint.load_checkpoint.
Example: `load_checkpoint(Path("RN50_120.pth"), image_size=(256, 128))`
"""
