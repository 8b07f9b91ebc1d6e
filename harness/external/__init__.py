"""Methods of any code on one test set: their descriptors read and written, scored, recorded and compared.

Doors: harness.external.extraction.describe_dataset; harness.external.forms.reader.read_described.
Example: `read_described(Path("feats.npz"), Reading())`
"""
