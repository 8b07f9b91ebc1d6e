"""Test sets by the names that papers give them: the catalog's counts of queries and people, or a user's own."""

import re
from collections.abc import Mapping

from harness.claims.table import Dataset
from harness.inputs.choices import choose
from pivl.data.benchmarks import BENCHMARKS
from pivl.errors import UserError
from studies.published import DATASETS

ALSO = {"market": "market1501", "duke": "dukemtmc", "dukemtmcreid": "dukemtmc", "msmt": "msmt17",
        "msmt17v1": "msmt17", "occduke": "occluded-duke", "occludeddukemtmc": "occluded-duke"}  # fmt: skip
FEWEST = 10  # queries of a test set of one's own
EXAMPLE = "mine=1200 or mine=1200/200, queries and identities"


def known_datasets() -> dict[str, Dataset]:
    """The catalog's test sets by name, titled as the paper prints them."""
    return {
        name: Dataset(DATASETS[name], facts.counts["query"].images, facts.counts["query"].people)
        for name, facts in BENCHMARKS.items()
    }


def parse_own(typed: tuple[str, ...]) -> dict[str, Dataset]:
    """Test sets of one's own by name, each typed as NAME=QUERIES or NAME=QUERIES/PEOPLE; UserError for anything else."""
    found = {}
    for text in typed:
        match = re.fullmatch(r"\s*([^=]*\w)\s*=\s*(\d{1,9})(?:/(\d{1,9}))?\s*", text)
        if match is None:
            raise UserError(f"--queries {text}: write {EXAMPLE}")
        queries, people = int(match[2]), int(match[3]) if match[3] else None
        if queries < FEWEST or (people is not None and not 1 <= people <= queries):
            raise UserError(
                f"--queries {text}: a test set has at least {FEWEST} queries, and identities no more than those"
            )
        found[match[1]] = Dataset(match[1], queries, people)
    return found


def find_dataset(name: str, own: Mapping[str, Dataset]) -> Dataset | None:
    """The test set of that name, a user's own first, spelling aside; None where nobody knows it."""
    mine = {_plain(one): dataset for one, dataset in own.items()}
    known = {_plain(one): dataset for one, dataset in known_datasets().items()}
    plain = _plain(name)
    return mine.get(plain) or known.get(_plain(ALSO.get(plain, name)))


def choose_dataset(name: str, own: Mapping[str, Dataset]) -> Dataset:
    """The test set of that name. UserError with the nearest where nobody knows it."""
    found = find_dataset(name, own)
    if found is None:
        choose("data set", name, [*own, *known_datasets()])
        raise AssertionError(name)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())
