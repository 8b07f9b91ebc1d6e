"""A small table as results/reference keeps one: a baseline, a row that is worse, and a row that has not learned."""

import json

from harness.report.documents.tables import REFERENCE


def committed_table():
    """The JSON object of a table with three rows and a contrast, to be changed at will."""
    worse = _estimate(-1.206, -1.889, -0.523) | {"adjusted_p": 0.0143, "verdict": "worse", "marked": True}
    open_ = _estimate(0.523, -0.362, 1.408) | {
        "adjusted_p": 0.483,
        "verdict": "inconclusive",
        "marked": False,
    }
    rows = [
        _row("clip-reid", "CLIP-ReID", _estimate(56.78, 53.02, 60.54), None, "reference"),
        _row("part-labels", "+ part labels", _estimate(55.57, 51.93, 59.22), worse, "worse"),
        _row("pi-vl", "PI-VL", _estimate(56.5, 52.7, 60.4), open_, "not learned (inconclusive)"),
    ]
    contrast = {
        "title": "Gain of part labels over CLIP-ReID",
        "verdict": "worse",
        "map_gain": worse | {"adjusted_p": 0.0096},
    }
    footer = {
        "reference": "clip-reid", "primary_metric": "map", "equivalence_margin_map": 0.5, "queries": 1200,
        "people": 200, "clusters": 50, "signature": "mAP|synthped-v2@f4|q1200 g1200", "seeds": [0, 1, 2, 3, 4],
        "devices": ["cpu"], "commits": ["abc"], "dates": ["2026-11-27"],
    }  # fmt: skip
    return {"rows": rows, "contrasts": [contrast], "clusters": "family", "footer": footer}


def commit(table, name, root):
    """Write a table and two lines of its Markdown into the folder of committed results below `root`."""
    folder = root / REFERENCE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(table))
    (folder / f"{name}.md").write_text(
        "**In plain words**: nothing.\n\n- **Measured** with little.\n- **Gain**: x\n"
    )


def _estimate(mean, low, high):
    return {"mean": mean, "low": low, "high": high}


def _row(name, title, score, gain, verdict):
    return {
        "row": name,
        "title": title,
        "map": score,
        "map_gain": gain,
        "verdict": verdict,
    }
