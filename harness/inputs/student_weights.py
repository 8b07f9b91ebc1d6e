"""Resolves the initial weights of students: a file, the packaged weights, or random ones; run ids hash them."""

from pathlib import Path

from harness.inputs.spec import Inputs
from harness.store.manifest import read_note, write_note
from harness.store.records import Results
from pivl.data.cache.digests import digest_file
from pivl.errors import UserError
from pivl.synthped.names import STUDENT, STUDENT_WEIGHTS
from pivl.system.files import check_regular

RANDOM = "random"  # as --student-weights


def find_weights(inputs: Inputs, student: str) -> Path | None:
    """The weights file of `student`, None for random weights. Raises UserError if the file is missing.

    Without a file that is named, the paper's student has weights on embedded sets, and no other has any.
    """
    if inputs.student_weights == RANDOM:
        return None
    shipped = STUDENT_WEIGHTS if inputs.is_embedded and student == STUDENT else None
    path = shipped if inputs.student_weights is None else Path(inputs.student_weights)
    if path is not None:
        made = path == shipped
        hint = "pivl-bench pretrain --student makes it" if made else "check --student-weights"
        check_regular(path, "weights file", hint)
    return path


def weights_digest(inputs: Inputs, student: str, results: Results) -> str:
    """The SHA-256 of the file that `student` starts from; empty for random weights, and where there is no student.

    Where nothing is named, that of what runs on this data set started from last.
    """
    entry = read_note(results).get(_key(inputs, student), {})
    if inputs.student_weights is None and "sha256" in entry:
        return str(entry["sha256"])
    path = find_weights(inputs, student) if student else None
    return "" if path is None else digest_file(path)


def note(inputs: Inputs, student: str, results: Results) -> None:
    """Writes the digest to datasets.json, for tables requested without naming the student's weights."""
    if student and not inputs.is_embedded:
        write_note(results, _key(inputs, student), {"sha256": weights_digest(inputs, student, results)})


def check(inputs: Inputs, student: str, results: Results) -> None:
    """Raises UserError if earlier runs used a weights file that the request does not name."""
    named = inputs.student_weights is not None or find_weights(inputs, student) is not None
    if not named and weights_digest(inputs, student, results):
        raise UserError(
            f"the {student} of earlier runs on {inputs.called} started from a file; name it with --student-weights, "
            f"or --student-weights {RANDOM} to begin without"
        )


def _key(inputs: Inputs, student: str) -> str:
    return f"student {student} on {inputs.dataset}"
