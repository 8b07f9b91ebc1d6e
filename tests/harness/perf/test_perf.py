"""`perf`: bars, printers and clocks by hand, and that what it times is what trains; no time is asserted."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
import torch

from harness.cli.main import main
from harness.perf.blocks import text
from harness.perf.blocks.ranking_process import Size, draw, measure
from harness.perf.drawn_runs import record_drawn_runs
from harness.perf.report import Bar, Block, Figure, Report, number, to_json, to_markdown, to_text
from harness.perf.setting import draw_pictures
from harness.perf.stage_2 import PHASES, watch_stage_2
from harness.perf.timing import alternate, exponent, held_bytes
from pivl.data.part_maps.labels import LIP
from pivl.prompts import Prompts, draw_identity_tokens
from tests.support.tiny_models import PI_VL, tiny_clip

CPU = torch.device("cpu")
FAST, LARGE = Bar("as fast", 7.25, 6.5, True), Bar("memory", 1600.0, 1500, False)
BLOCK = Block("text", "1. Text", (Figure.of("ours", [3.0, 1.0, 2.0], "s"),), (FAST, LARGE), ("few",))
REPORT = Report({"Device": "cpu"}, (BLOCK,))


def test_a_bar_holds_on_its_own_side_and_at_its_edge():
    assert (FAST.passes, LARGE.passes) == (True, False)
    assert replace(FAST, value=6.5).passes
    assert replace(LARGE, value=1500.0).passes
    assert not replace(FAST, value=6.49).passes


def test_a_figure_is_the_median_with_the_least_and_the_most():
    assert str(Figure.of("x", [3.0, 1.0, 2.0], "s")) == "2.00 [1.00, 3.00] s"
    assert str(Figure.of("x", [250_000.0], "")) == "250,000"
    assert (number(0.0), number(0.0123), number(3e-7)) == ("0", "0.012", "3e-07")


def test_json_has_every_bar_with_a_boolean():
    told = json.loads(to_json(REPORT))
    assert [(bar["name"], bar["value"], bar["bar"], bar["pass"]) for bar in told["bars"]] == [
        ("as fast", 7.25, 6.5, True),
        ("memory", 1600.0, 1500, False),
    ]
    assert told["blocks"][0]["figures"][0]["high"] == 3.0


def test_markdown_and_text_say_which_bars_are_missed():
    for printed in (to_markdown(REPORT), to_text(REPORT)):
        assert "2.00 [1.00, 3.00] s" in printed
        assert "few" in printed
        assert "missed" in printed.lower()


def test_a_block_crosses_between_processes():
    assert Block.from_json(json.loads(json.dumps(asdict(BLOCK)))) == BLOCK


def test_works_take_turns_and_the_first_round_does_not_count():
    done = []
    times = alternate(3, CPU, lambda: done.append("a"), lambda: done.append("b"))
    assert "".join(done) == "abababab"
    assert [len(one) for one in times] == [3, 3]


def test_an_exponent_is_the_power():
    assert exponent([1, 2, 4], [5.0, 20.0, 80.0]) == pytest.approx(2)
    assert exponent([10, 100], [3.0, 3.0]) == pytest.approx(0)


def test_what_a_graph_holds_is_counted_once():
    one, other = (torch.rand(1000, requires_grad=True) for _ in range(2))
    assert held_bytes(lambda: (one * other).sum()) == 2 * 4000
    assert held_bytes(lambda: (one * one).sum() + (one * one).sum()) == 4000


def test_the_written_out_prompts_are_ours():
    clip = tiny_clip()
    tokens = draw_identity_tokens(2, 4, 32, torch.Generator().manual_seed(0))
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    whole = text.encode_whole(clip, list(tokens), ["person.", "person's left arm."])
    torch.testing.assert_close(whole[0], prompts.people(tokens)[0])
    torch.testing.assert_close(whole[1], prompts.parts(tokens, torch.tensor([1]), torch.tensor([14]))[0])


@pytest.mark.parametrize("fusion", ["last", "pyramid"])
def test_every_phase_of_the_steps_that_train_is_timed(fusion):
    clip = tiny_clip()
    before = next(clip.vision.parameters()).clone()
    watched = watch_stage_2(replace(PI_VL, fusion=fusion), clip, CPU, images=16, people=30)
    began = time.perf_counter()
    watched.run(3)
    whole = time.perf_counter() - began
    assert [tuple(one) for one in watched.clock.seconds] == 3 * [PHASES]
    assert all(taken > 0 for one in watched.clock.seconds for taken in one.values())
    assert sum(sum(one.values()) for one in watched.clock.seconds) <= whole
    assert sum(watched.share(phase) for phase in PHASES) == pytest.approx(1, abs=0.5)
    assert not torch.equal(before, next(clip.vision.parameters()))


def test_drawn_pictures_show_every_part():
    pictures = draw_pictures(4, 2, (40, 16), parts=5)
    assert pictures.part_map is not None
    assert pictures.part_map.unique().tolist() == [0, 1, 2, 3, 4]
    assert pictures.person.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_size_of_the_evaluation_is_ranked_and_re_ranked():
    size = Size("small", 40, 200, 10, 3, 16, 40, "cpu", 1)
    assert torch.allclose(draw(size, 40, 1).descriptor.norm(dim=1), torch.ones(40))
    found = measure(size)
    assert min(found.distances, found.ranking, found.product, found.sorting) > 0
    assert 0 < found.before <= found.peak
    assert measure(replace(size, ranked=0)).reranking > 0


def test_runs_are_drawn_for_the_whole_table(tmp_path, capsys):
    assert record_drawn_runs(tmp_path, 20) == "0-4"
    with pytest.raises(SystemExit) as ended:
        main(["table", "ablation", "--results", str(tmp_path), "--seeds", "0-4"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "missing" not in printed
    assert "seeds 0, 1, 2, 3, 4" in printed


def test_who_measures_ends_with_whoever_asked():
    words = [sys.executable, "-m", "harness.perf.worker"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked = {"device": "cpu", "precision": "fp32", "backbone": "rn50", "quick": True, "results": "none"}
        process.stdin.write(json.dumps({**asked, "blocks": ["growth"]}) + "\n")
        process.stdin.flush()
        assert "setting" in process.stdout.readline()
        process.stdin.close()  # as the system does for a process that was killed
        assert process.wait(20) == 1
