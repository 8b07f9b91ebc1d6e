"""The table of a study across worlds: what each world says, both intervals, and nothing put together that differs."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.analysis.outcomes import Missing
from harness.analysis.table import MEAN_AP
from harness.analysis.worlds import World, build_across
from harness.report.markdown import PRINTERS
from pivl.errors import UserError
from tests.support.scored_runs import SEEDS, SIGNATURE, build, named_cells, scored_run

GAINS = {"part-labels": (0.05, 0.05, 0.06), "pi-vl": (0.02, -0.03, 0.12)}
TITLES = {"part-labels": "+ part labels", "pi-vl": "+ hierarchical fusion (PI-VL)"}


def world(number, drop=None, **changes):
    """A world in which the rows of GAINS gain what stands there; without the runs of the row `drop`."""
    signature = changes.pop("signature", SIGNATURE).replace("@3fa9c1", f"@00000{number}")
    gains = {"clip-reid": 0.0, **{row: of[number] for row, of in GAINS.items()}}
    outcomes = {
        row: {
            seed: Missing()
            if row == drop
            else replace(scored_run(seed, gain + 0.001 * number, signature), id=f"{row}-{number}-{seed}")
            for seed in SEEDS
        }
        for row, gain in gains.items()
    }
    return World.of(number, build(outcomes), outcomes)


@pytest.fixture(scope="module")
def table():
    return build_across([world(number) for number in range(3)], "synthped, worlds 0, 1, 2")


def line_of(table, row):
    return next(line for line in table.lines if line.row.name == row)


@pytest.mark.parametrize("row", GAINS)
def test_a_row_has_the_mean_of_its_worlds_and_the_gain_in_each(table, row):
    line = line_of(table, row)
    each = [line_of(world(number).table, row) for number in range(3)]
    assert line.means[MEAN_AP].mean == pytest.approx(np.mean([one.means[MEAN_AP].mean for one in each]))
    found = line.gains[MEAN_AP].comparison
    assert list(found.beyond.by_world) == [0, 1, 2]
    assert list(found.beyond.by_world.values()) == pytest.approx(
        [one.gains[MEAN_AP].comparison.gain.mean for one in each]
    )
    assert found.beyond.gain.mean == pytest.approx(found.gain.mean)
    assert (line.finished, line.planned, found.seeds, found.clusters) == (9, 9, 3, 3 * 40)


def test_a_gain_that_differs_among_worlds_is_none_for_identities_like_these(table):
    steady, moody = (line_of(table, row) for row in GAINS)
    assert steady.verdict == "better"
    assert moody.gains[MEAN_AP].comparison.gain.low > 0  # for these identities
    assert moody.gains[MEAN_AP].comparison.beyond.gain.low < 0
    assert moody.verdict == "inconclusive"
    assert table.footer.world_shares[MEAN_AP][1] > 0.9
    assert (table.footer.worlds, table.footer.people, table.footer.queries) == ((0, 1, 2), 40, 120)


def test_the_printed_table_has_both_intervals_and_names_the_worlds(table):
    text = PRINTERS["markdown"](table)
    assert "measured on synthped, worlds 0, 1, 2" in text
    assert "mAP gain over CLIP-ReID, these identities" in text
    assert "**Measured** in each of worlds 0, 1, 2 with seeds 0, 1, 2: 120 queries of 40 identities" in text
    assert (
        "**Worlds** 0, 1, 2: training identities, test identities and cameras are drawn anew in each" in text
    )
    assert "**Variance of gains**: the world is " in text
    beyond = line_of(table, "pi-vl").gains[MEAN_AP].comparison.beyond
    found = named_cells(text, TITLES["pi-vl"])["mAP gain, identities like these"]
    assert found == f"[{beyond.gain.low:+.2f}, {beyond.gain.high:+.2f}]"
    halves = [
        f"±{stats.t.ppf(0.975, count - 1) * np.std(list(beyond.by_world.values()), ddof=1) / np.sqrt(count):.2f}"
        for count in (3, 4, 6)
    ]
    shown = named_cells(text, TITLES["pi-vl"])
    assert [shown[f"{count} worlds"] for count in (3, 4, 6)] == halves
    each = [f"{gain:+.2f}" for gain in beyond.by_world.values()]
    assert [cell for cell in each if cell not in text] == []
    for form in ("html", "latex"):
        assert "identities like these" in PRINTERS[form](table)


def test_json_and_csv_have_the_worlds_and_both_intervals(table):
    found = json.loads(PRINTERS["json"](table))
    assert found["footer"]["worlds"] == [0, 1, 2]
    gain = found["rows"][1]["map_gain"]
    assert gain["identities_like_these"]["degrees"] == 2
    assert list(gain["by_world"]) == ["0", "1", "2"]
    assert list(gain["variances"])[:2] == ["worlds", "retraining"]
    rows = list(csv.DictReader(io.StringIO(PRINTERS["csv"](table))))
    assert rows[1]["worlds"] == "0 1 2"
    assert float(rows[1]["map_gain_alike_low"]) == pytest.approx(gain["identities_like_these"]["low"])


def test_a_table_of_one_world_says_nothing_of_worlds():
    one = world(0).table
    assert not any("world" in PRINTERS[form](one) for form in ("markdown", "json", "csv", "html"))


def test_two_worlds_give_no_verdict_and_say_so():
    two = build_across([world(number) for number in range(2)], "synthped, worlds 0, 1")
    assert {line.verdict for line in two.lines} == {"", "too few worlds"}
    text = PRINTERS["markdown"](two)
    assert "Fewer than 3 give no verdict" in text
    assert "on identities like these with fewer than 3 worlds" in text


def test_what_a_world_lacks_is_said_and_the_others_are_compared():
    found = build_across([world(0), world(1, drop="pi-vl"), world(2)], "synthped, worlds 0, 1, 2")
    line = line_of(found, "pi-vl")
    assert [problem.text for problem in line.problems] == ["world 1: missing"]
    assert list(line.gains[MEAN_AP].comparison.beyond.by_world) == [0, 2]
    assert (line.finished, line.planned, line.verdict) == (6, 9, "too few worlds")
    assert line_of(found, "part-labels").verdict == "better"


def test_worlds_that_were_scored_by_other_protocols_have_no_table():
    other = world(1, signature=SIGNATURE.replace("junk:same-camera", "junk:none"))
    with pytest.raises(UserError, match=r"runs clip-reid-0-0 and clip-reid-1-0 cannot share a table"):
        build_across([world(0), other], "synthped, worlds 0, 1")
