"""Batches are augmented, on a CPU by slices and on a GPU by gathering.

Door: pivl.data.augmentation.augment.augment.
Example: `augment(batch, augmentation, normalization, mirror_table, draw_rows(len(index), generator))`
"""
