"""Records of methods that were trained elsewhere, in the folder `external` of the results, by what was scored and how."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.execution.scoring import finite, query_table
from harness.external.described import Described
from harness.external.forms.reader import read_described
from harness.external.request import Reading
from harness.external.scoring import Protocol, choose_metric, score, signature_of
from harness.external.test_set import arrange, digest_content
from harness.store.record_file import digest as digest_json
from harness.store.records import Finished, Results
from harness.system.provenance import describe_origin
from pivl.errors import UserError
from pivl.evaluation.average_precision import Convention
from pivl.evaluation.retrieval import Retrieval
from pivl.system.files import sha256_of

ELSEWHERE = "descriptors from elsewhere"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, or of the names and digests of a folder's arrays or weights."""
    if not path.is_dir():
        return sha256_of(path)
    files = [one for one in sorted(path.rglob("*")) if one.suffix in (".npy", ".safetensors")]
    listed = [f"{one.relative_to(path)} {sha256_of(one)}\n" for one in files]
    return hashlib.sha256("".join(listed).encode()).hexdigest()


def read_method(path: Path, reading: Reading) -> Described:
    """Reads a file in the order of its pictures' names. Raises UserError."""
    return arrange(read_described(path, reading))


def record_described(
    described: Described, path: Path, seed: int, metric: str | None, convention: Convention, results: Results,
    facts: Mapping[str, str] | None = None, device: str = ELSEWHERE,
) -> Finished:  # fmt: skip
    """Scores what a file describes and records it, unless that is recorded. `facts`: what else a record says of it.

    Raises UserError.
    """
    protocol = Protocol(choose_metric(metric, described, str(path)), convention)
    file = {"name": path.name, "sha256": digest_of(path)}
    data = described.facts.get("dataset", "")  # the same checkpoint describes several
    what = {"file": file["sha256"], "content": digest_content(described), "data": data, "seed": seed}
    how = {
        "metric": protocol.metric,
        "convention": protocol.convention,
        "width": described.width,
        **(facts or {}),
    }
    identity = digest_json({"external": what, **how})[:16]
    found = results.read_external(identity)
    if isinstance(found, Finished):
        return found
    retrieval = score(described, protocol, str(path))
    record = {
        "id": identity,
        "status": "finished",
        "seed": seed,
        **describe_origin(torch.device("cpu")),
        "device": device,
        "file": file,
        **how,
        "facts": dict(described.facts),
        "metrics": finite(_metrics(retrieval)),
        "excluded": retrieval.excluded,
        "signature": signature_of(described, retrieval, protocol),
    }
    results.prepare()
    results.write(
        results.external_folder(identity),
        record,
        {
            "queries.parquet": lambda file: query_table(retrieval, described.query.cluster).to_parquet(
                file, index=False
            )
        },
    )
    found = results.read_external(identity)
    if not isinstance(found, Finished):
        raise UserError(f"{results.root}: the record of {path} is not there; run the command again")
    return found


def _metrics(retrieval: Retrieval) -> dict[str, float]:
    ranks = {f"rank{k}": 100 * retrieval.cmc(k) for k in (1, 5, 10)}
    return {"mAP": 100 * retrieval.map, **ranks, "mINP": 100 * retrieval.mean_inp}
