"""Describes and sets up this machine: devices, GPUs, processes, provenance. It has no notion of studies.

Doors: harness.system.devices, harness.system.process, harness.system.provenance.
Example: `choose_device("auto")`
"""
