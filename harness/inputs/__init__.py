"""Data sets and initial weights by name: where they lie, how they load, and the digests that enter run ids.

Doors: harness.inputs.identity.identify and harness.inputs.loading.load.
Example: `identify(Inputs("synthped"), (128, 64), results, progress).fingerprint`
"""
