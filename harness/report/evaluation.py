"""Prints evaluations of checkpoints: a row per checkpoint and data set, and a matrix across several sets."""

import json

from harness.analysis.statistics import Estimate
from harness.external.evaluating import Evaluation, estimate_scores
from harness.report.grid import grid


def print_markdown(found: Evaluation) -> str:
    """The scores as Markdown: a row per checkpoint and data set; of several sets also mAP as a matrix."""
    rows = [
        [name, dataset, *(_cell(one) for one in estimate_scores(run).values())]
        for name, of_sets in found.runs.items()
        for dataset, run in of_sets.items()
    ]
    blocks = [
        grid(["Checkpoint", "Test set", "Rank-1", "mAP", "Rank-5", "Rank-10", "mINP"], rows, left=(0, 1))
    ]
    sets = list(dict.fromkeys(dataset for of_sets in found.runs.values() for dataset in of_sets))
    if len(sets) > 1:
        matrix = [
            [name, *(_cell(estimate_scores(of_sets[one])["mAP"]) if one in of_sets else "-" for one in sets)]
            for name, of_sets in found.runs.items()
        ]
        blocks.append(grid(["mAP of checkpoint on", *sets], matrix))
    signatures = dict.fromkeys(run.signature for of_sets in found.runs.values() for run in of_sets.values())
    notes = [f"**{name}**: {text}." for name, text in found.models.items()]
    notes += [f"**Evaluation protocol**: `{one}`." for one in signatures]
    blocks.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def print_json(found: Evaluation) -> str:
    """The scores as JSON: a list with a mapping per checkpoint and data set."""
    rows = [
        {
            "checkpoint": name,
            "dataset": dataset,
            "id": run.id,
            "model": found.models[name],
            "signature": run.signature,
            **run.metrics,
        }
        for name, of_sets in found.runs.items()
        for dataset, run in of_sets.items()
    ]
    return json.dumps(rows, indent=2) + "\n"


PRINTERS = {"markdown": print_markdown, "json": print_json}


def _cell(estimate: Estimate) -> str:
    bounds = f" [{estimate.low:.1f}, {estimate.high:.1f}]" if estimate.low > float("-inf") else ""
    return f"{estimate.mean:.1f}{bounds}"
