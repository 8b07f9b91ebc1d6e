"""Begins a program of a worker: `python -m harness.system.start PROGRAM [ARGUMENT]...`.

What torch and its company make while they are loaded lives to the end. Looking for garbage among it again and again took
a quarter of the five seconds that a worker needs to start.
"""

import gc
import importlib
import runpy
import sys

if __name__ == "__main__":
    program = sys.argv[1]
    gc.disable()
    importlib.import_module(program)
    gc.freeze()
    gc.enable()
    del sys.modules[program]  # it is run, not imported, and has by now all that it imports
    sys.argv = sys.argv[1:]
    runpy.run_module(program, run_name="__main__", alter_sys=True)
