"""Evaluation protocols as signatures have them: `mAP|data|q g|junk|feat|dist|rerank|ap`, and which may share a table."""

from collections.abc import Sequence

STEP = "ap:step"  # the convention of average precision that records of before had without naming it
FEATURE = "feat:"  # each method's own descriptor, in which rows of one table may differ


def whole(signature: str) -> str:
    """The signature with its convention of average precision."""
    return signature if "|ap:" in signature else f"{signature}|{STEP}"


def comparable(signature: str) -> str:
    """The part of a signature that rows of one table share: all but which feature is compared."""
    return "|".join(part for part in whole(signature).split("|") if not part.startswith(FEATURE))


def without_data(signature: str) -> str:
    """The part of a signature that tables of several worlds share: all of `comparable` but the data."""
    metric, _, *rest = comparable(signature).split("|")
    return "|".join([metric, *rest])


def shared(signatures: Sequence[str]) -> str:
    """The signature of a table of comparable rows; their features are joined by `+`."""
    parts = [whole(one).split("|") for one in dict.fromkeys(signatures)]
    columns = zip(*parts, strict=False)
    joined = ["+".join(dict.fromkeys(column)) for column in columns]
    return "|".join(joined).replace(f"+{FEATURE}", "+")
