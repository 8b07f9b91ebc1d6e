"""What all tests share: one thread each, and no telemetry."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported; two threads make small tests erratic
os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
