"""Resolves a request to an Experiment: a study on given data, backbone and seeds.

Door: harness.experiment.resolve.
Example: `resolve(Request("ablation", seeds="0-2")).rows`
"""
