"""Methods of any code on one test set: their descriptors read and written, scored, recorded and compared.

Doors: harness.external.comparing.compare_files; harness.external.extraction.describe_dataset.
Example: `read_described(Path("feats.npz"), Reading())`
"""
