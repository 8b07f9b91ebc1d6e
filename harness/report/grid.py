"""A grid of texts as GitHub's Markdown."""

from tabulate import tabulate


def grid(headings: list[str], rows: list[list[str]], left: tuple[int, ...] = (0,)) -> str:
    """A Markdown table, its columns padded so that the source reads well too; numbers stand to the right."""
    cells = [[_one_line(cell) for cell in row] for row in [headings, *rows]]
    sides = ["left" if column in left else "right" for column in range(len(headings))]
    return tabulate(cells[1:], cells[0], tablefmt="pipe", colalign=sides, disable_numparse=True)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
