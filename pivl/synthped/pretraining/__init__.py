"""The tiny CLIP and the student that ship with the package, trained from scratch.

Doors: pivl.synthped.pretraining.tiny_clip.pretrain and pivl.synthped.pretraining.student.pretrain_student.
Example: `pivl-bench pretrain --output tiny_clip.safetensors`
"""
