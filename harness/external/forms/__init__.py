"""Forms in which other code leaves descriptors of a test set, a file each: read as data, nothing is unpickled.

Door: harness.external.forms.reader.read_described.
Example: `read_described(Path("feats.npz"), Reading(distances=True))`
"""
