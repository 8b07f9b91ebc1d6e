"""A study from Python, cell by cell as in a notebook: run, read, compare. Run it from any folder:

python examples/notebook.py
"""

# %% What is asked: the rows of own_loss.py at the smallest size
from pathlib import Path

from harness import api

request = api.Request(
    study_file=Path(__file__).parent / "own_loss.py", preset="smoke", rows="pi-vl,cameras", seeds="0-1"
)

# %% What that would take
planned = api.plan(request)
print(planned.count("to do"), "runs to do")

# %% Train what is missing; a second call finds everything recorded
answer = api.run(request, options=api.Options(device="cpu", mlflow=False))
assert answer.complete

# %% The table as values
for line in answer.table.lines:
    print(line.row.title, f"{line.means['mAP'].mean:.1f}", line.standing)

# %% Every run as a line of pandas
print(answer.records.pivot_table(index="row", values=["mAP", "rank1"]))

# %% How the terms of the last run shared the gradient
print(answer.records.set_index("row").filter(like="gradient").T)
