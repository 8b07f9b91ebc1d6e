"""Plans of experiments: how many seeds and people a gain needs to be found, from variance components of records.

Doors: harness.power.planning.detectable for one contrast, harness.power.forecast.foresee for a study.
Example: `seeds_needed(components, gain=0.5)`, or `pivl-bench power ablation --gain 0.5`.
"""
