"""A child process that gives each line back as an event: `python -m tests.support.echo_worker`; it can be told to die."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from harness.system.process import take_stdout

if __name__ == "__main__":
    send = take_stdout()
    if "broken" in sys.argv:
        sys.exit("no such device")
    send({"event": "ready", "device": "cpu", "slots": 2})
    for line in sys.stdin:
        match json.loads(line):
            case {"die": status}:
                print("last words", flush=True)
                sys.exit(status)
            case {"write_at_end": path}:
                signal.signal(signal.SIGTERM, lambda *_: (Path(path).touch(), sys.exit()))
                send({"event": "echo"})
                time.sleep(60)
            case value:
                send({"event": "echo", **value, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")})
