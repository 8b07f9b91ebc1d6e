"""Two processes that train one model: the losses, gradients and statistics of one process on the whole batch."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from pivl.errors import UserError
from pivl.system import data_parallel
from pivl.train import run_stage
from tests.support.tiny_models import PI_VL, tiny_trainer

SHUFFLED = replace(PI_VL, identity_epochs=2, part_epochs=2, prompt_sampling="shuffle", prompt_batch=12)
PATIENCE = timedelta(minutes=10)  # for a busy machine


def train(resume_at: int | None = None) -> list[dict[str, object]]:
    """The terms of every step of all stages, and the tensors after each; stage 2 left and resumed at a step."""
    seen, left = [], []

    def report(stage, step):
        seen.append({"stage": stage, **{name: float(value) for name, value in step.terms.items()}})

    def keep(step, take):
        left.append(take())

    trainer, before = tiny_trainer(SHUFFLED, report=report), {}
    for stage in SHUFFLED.stages():
        left.clear()
        before[stage] = run_stage(trainer, stage, before, keep)
    if resume_at is not None:
        whole = before.pop("image-tower")
        again = run_stage(trainer, "image-tower", before, resume_from=left[resume_at])
        assert all(torch.equal(value, whole[name]) for name, value in again.items())
    return seen


def normalise() -> dict[str, list[float]]:
    """A batch norm's output, gradients and statistics for this rank's share of a batch, gathered."""
    inputs = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))  # shares of 3 and 2
    layers = nn.Sequential(nn.BatchNorm2d(3))
    nn.init.normal_(layers[0].weight, generator=torch.Generator().manual_seed(1))
    data_parallel.synchronize(layers)
    ours = data_parallel.share(inputs).clone().requires_grad_()
    output = data_parallel.gather(layers(ours), len(inputs))
    output.square().mean().mul(output.std()).backward()  # no sum over samples: every one depends on all
    data_parallel.average_gradients([*layers.parameters()])
    gradient = (
        data_parallel.gather(ours.grad, len(inputs)) / data_parallel.count()
    )  # what came is of the sum of all ranks' losses
    found = {
        "output": output,
        "gradient": gradient,
        "weight": layers[0].weight.grad,
        "bias": layers[0].bias.grad,
    }
    found |= {name: value.float() for name, value in layers[0].state_dict().items()}
    found["evaluated"] = layers.eval()(inputs)
    return {name: value.detach().flatten().tolist() for name, value in found.items()}


def work(folder: Path, rank: int) -> dict[str, object]:
    """What one of two ranks finds."""
    meet = f"file://{folder}/meet"
    distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=PATIENCE)
    try:
        return {"norm": normalise(), "losses": train(resume_at=2)}
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The findings of this process as rank 0, and of another as rank 1."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-W", "error", "-m", "tests.pivl.system.test_data_parallel", str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE) as other:
        ours = work(folder, 0)
        out, _ = other.communicate(timeout=600)
    return ours, json.loads(out)


def test_both_ranks_have_the_same_losses_gradients_and_statistics(two):
    ours, theirs = two
    assert theirs == ours


def test_two_processes_have_the_losses_of_one_in_every_stage(two):
    alone = train()
    assert {step["stage"] for step in alone} == set(SHUFFLED.stages())
    found = two[0]["losses"][: len(alone)]
    for step, one in zip(found, alone, strict=True):
        assert step.pop("stage") == one.pop("stage")
        assert step == pytest.approx(one, abs=1e-4)


def test_a_batch_norm_over_two_processes_is_one_over_the_whole_batch(two):
    alone = normalise()
    assert alone.keys() == two[0]["norm"].keys()
    for name, value in alone.items():
        assert two[0]["norm"][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_what_is_less_than_a_thing_for_each_rank_is_done_by_all(monkeypatch):
    """The one person of a last batch: without a process group, whatever was to be gathered would fail."""
    monkeypatch.setattr(data_parallel, "count", lambda: 2)
    assert torch.equal(data_parallel.spread(lambda some: 2 * some, torch.tensor([3.0])), torch.tensor([6.0]))


def test_a_batch_norm_that_does_more_is_refused(monkeypatch):
    class WithActivation(nn.BatchNorm2d):
        """As timm's, which also activates."""

    monkeypatch.setattr(data_parallel, "count", lambda: 2)
    with pytest.raises(UserError, match="WithActivation cannot be trained by several processes"):
        data_parallel.synchronize(nn.Sequential(WithActivation(3)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(work(Path(sys.argv[1]), 1)))
