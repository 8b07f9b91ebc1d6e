"""Errors that a person can act on."""

from pathlib import Path


class UserError(Exception):
    """Something that the user can put right; the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class Unreadable(UserError):
    """A file that is not what it should be; `reason` says why in a few words, for callers that know more to say."""

    def __init__(self, path: Path, reason: str, advice: str = "get it again") -> None:
        super().__init__(path, reason, advice)
        self.reason = reason

    def __str__(self) -> str:
        path, reason, advice = self.args
        return f"cannot read {path} ({reason}); {advice}"


class NoWeights(UserError):
    """A stored run or stage whose weights were removed, or never copied to where its folder is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder}: its weights, model.safetensors, are not there; pivl-bench run STUDY --redo ROW makes them again"
        )


class TrainingFailed(Exception):
    """A run that cannot go on (a non-finite loss, say); recorded as failed, exit status 1."""


def first_line(error: object) -> str:
    """Returns the first line of an error's text, or its type's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def explain(error: BaseException, path: Path | None = None) -> str:
    """What a library says is wrong, on one line of at most 200 letters, without the path that the reader knows."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if path is not None:
        said = said.replace(f" {str(path)!r}", "")
    return " ".join(said.split())[:200] or type(error).__name__
