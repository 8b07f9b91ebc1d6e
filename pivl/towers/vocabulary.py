"""Words to token ids: CLIP's byte-pair encoding, whole or cut down to what a small text tower knows."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any, Self

from pivl.errors import UserError


@cache
def _byte_pairs() -> Any:
    """open_clip's tokenizer. Imported here: the package takes 1.5-2 s, its tables another 0.1 s."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


class Vocabulary:
    """CLIP's 49,408 tokens (`compact` None), or only those listed, renumbered 0.. in the same order.

    So the end token, CLIP's largest id, stays the largest. `compact` must rise and hold both start and end
    (ValueError).
    """

    START, END = 49406, 49407
    FULL_SIZE = 49408

    def __init__(self, compact: tuple[int, ...] | None = None) -> None:
        if compact is not None:
            rising = all(token < following for token, following in pairwise(compact))
            if not rising or compact[-2:] != (self.START, self.END) or compact[0] < 0:
                raise ValueError(
                    "a compact vocabulary lists token ids in rising order, start and end the last two"
                )
        self.compact = compact
        self._number = None if compact is None else {token: number for number, token in enumerate(compact)}

    @classmethod
    def covering(cls, texts: Iterable[str]) -> Self:
        """Returns the smallest compact vocabulary that can write all `texts`."""
        tokens = {token for text in texts for token in _byte_pairs().encode(text)}
        return cls(tuple(sorted(tokens | {cls.START, cls.END})))

    def __len__(self) -> int:
        return self.FULL_SIZE if self.compact is None else len(self.compact)

    def tokens(self, text: str) -> list[int]:
        """Returns the ids of a text, start and end included, no padding. Raises UserError naming an unknown word."""
        real = [self.START, *_byte_pairs().encode(text), self.END]
        if self._number is None:
            return real
        try:
            return [self._number[token] for token in real]
        except KeyError as unknown:
            words = (word for word in text.split() if unknown.args[0] in _byte_pairs().encode(word))
            word = next(words, _byte_pairs().decode([unknown.args[0]]).strip())
            raise UserError(
                f"the text tower does not know {word!r} (in {text!r}); reword, or use weights with all words"
            ) from None
