"""This machine: devices, GPUs, process set-up, provenance. It knows nothing of studies.

Doors: harness.system.devices, harness.system.process, harness.system.provenance.
Example: `choose_device("auto")`
"""
