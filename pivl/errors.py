"""Errors that a person can act on."""


class UserError(Exception):
    """Something that the user can put right; the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class TrainingFailed(Exception):
    """A run that cannot go on (a non-finite loss, say); recorded as failed, exit status 1."""
