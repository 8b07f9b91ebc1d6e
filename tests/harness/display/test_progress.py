"""What a person sees of work that is going on: a table on a terminal of any size, plain lines in a file."""

import io
import os
import re

import pytest

from harness.display.progress import PLAIN_INTERVAL, Progress
from harness.display.status_table import Board, Cell
from harness.display.text import abbreviate_step, describe_step, duration

STEP = {
    "stage": "image-tower",
    "epoch": 3,
    "epochs": 8,
    "terms": {"image_to_text": 1.5, "triplet": 0.25},
    "rate": 264.6,
    "left": 75,
}


class Screen:
    """A stream that keeps what a terminal would show; like one, it breaks lines at its width."""

    def __init__(self, width=80):
        self.width, self.lines, self.row, self.column = width, [""], 0, 0

    def write(self, text):
        for piece in re.findall(r"\x1b\[\d*[AJ]|\n|\r|[^\x1b\n\r]+", text):
            if piece.endswith("A") and piece[0] == "\x1b":
                self.row = max(0, self.row - int(piece[2:-1]))
            elif piece == "\x1b[J":
                self.lines = [*self.lines[: self.row], self.lines[self.row][: self.column]]
            elif piece == "\n":
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif piece == "\r":
                self.column = 0
            else:
                self.put(piece)

    def put(self, text):
        """Write over what stands at the cursor."""
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + text + line[self.column + len(text) :]
        self.column += len(text)

    def resize(self, width):
        """Break the lines anew, as terminals do."""
        self.width = width
        self.lines = [part for line in self.lines for part in re.findall(f".{{1,{width}}}", line) or [""]]
        self.row, self.column = len(self.lines) - 1, 0

    def flush(self):
        pass


@pytest.fixture
def terminal(monkeypatch):
    """A screen, its progress, and the clock that both go by; `size` may be changed."""
    screen, size, clock = Screen(), [80, 24], [0.0]
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size(size))
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    progress = Progress(screen, live=True, quiet=False)
    return screen, progress, size, clock


def test_a_terminal_shows_one_line_per_running_piece_of_work(terminal):
    screen, progress, _, clock = terminal
    for second in range(1, 4):
        clock[0] = second
        progress.update("one", f"{second} done")
        clock[0] += 0.5
        progress.update("two", f"{second} done")
    assert screen.lines == ["one: 3 done", "two: 3 done", ""]
    progress.finish("one", "mAP 50.0")
    assert screen.lines == ["one: mAP 50.0", "two: 3 done", ""]
    progress.close()
    assert screen.lines == ["one: mAP 50.0", ""]


def test_a_step_without_a_count_is_shown_at_once_and_while_it_lasts(terminal):
    screen, progress, _, _ = terminal
    with progress.at_work("pi-vl, seed 0", "loading"):
        assert screen.lines == ["pi-vl, seed 0: loading", ""]
    assert screen.lines == [""]
    plain, unseen = io.StringIO(), io.StringIO()
    for stream, quiet in ((plain, False), (unseen, True)):
        shown = Progress(stream, live=False, quiet=quiet)
        with pytest.raises(KeyError), shown.at_work("pi-vl, seed 0", "loading"):
            raise KeyError
        shown.update("other", "1 done")
    assert plain.getvalue() == "pi-vl, seed 0: loading\n"
    assert unseen.getvalue() == ""


def lay_out(progress, rows=("prompts", "CLIP-ReID"), seeds=(0, 1)):
    """A table of `rows` and `seeds`, all waiting."""
    progress.lay_out({f"{row}, seed {seed}": (row, seed) for row in rows for seed in seeds})


def test_a_table_of_rows_and_seeds_says_state_epoch_loss_rate_and_time_left(terminal):
    screen, progress, _, clock = terminal
    lay_out(progress)
    progress.finish("prompts, seed 0", "stored in 3 s", "done", "stored")
    clock[0] = 1
    progress.update("CLIP-ReID, seed 0", describe_step(STEP), *abbreviate_step(STEP))
    assert screen.lines == [
        "prompts, seed 0: stored in 3 s",
        "1 of 4                          seed 0                       seed 1",
        "prompts                         stored                      waiting",
        "CLIP-ReID     3/8 loss 1.750 265/s 75s                      waiting",
        "",
    ]
    progress.finish("CLIP-ReID, seed 0", "failed: it broke", "failed")
    assert screen.lines[-2].split() == ["CLIP-ReID", "FAILED", "waiting"]
    progress.close()
    assert screen.lines[2:] == [""]


def test_where_it_is_narrow_cells_say_less_and_lines_below_say_the_rest(terminal):
    screen, progress, size, clock = terminal
    size[0] = screen.width = 50
    lay_out(progress)
    clock[0] = 1
    progress.update("CLIP-ReID, seed 0", describe_step(STEP), *abbreviate_step(STEP))
    *_, row, below, end = screen.lines
    assert row.split() == ["CLIP-ReID", "3/8", "75s", "waiting"]
    assert below == describe_line()[:49]
    assert end == ""


def describe_line():
    return f"CLIP-ReID, seed 0: {describe_step(STEP)}"


@pytest.mark.parametrize("width", [1, 9, 20, 33, 50, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 9, 40])
def test_it_fits_any_terminal(terminal, width, height):
    screen, progress, size, clock = terminal
    size[:] = width, height
    lay_out(progress, [f"a row of number {n}" for n in range(12)], range(5))
    clock[0] = 1
    progress.update("a row of number 7, seed 3", describe_step(STEP), *abbreviate_step(STEP))
    assert len(screen.lines) <= height
    assert max(map(len, screen.lines)) < max(width, 2)
    progress.close()
    assert screen.lines == [""]


def test_where_not_all_rows_fit_those_at_work_are_shown_and_the_others_counted(terminal):
    board = Board()
    for number in range(9):
        board.put(f"row {number}", 0, Cell.of("done" if number < 5 else "waiting"))
    board.put("row 6", 0, Cell.of("running"))
    lines, tells_all = board.draw(60, 5)
    assert tells_all
    assert [line.split("  ")[0] for line in lines] == [
        "5 of 9", "row 5", "row 6", "row 7", "and 6 rows more: 1 waiting, 5 done",
    ]  # fmt: skip


def test_nothing_is_left_behind_by_ctrl_c_nor_by_a_terminal_made_narrower(terminal):
    screen, progress, size, clock = terminal
    progress.note("begun")
    lay_out(progress)
    clock[0] = 1
    progress.update("CLIP-ReID, seed 0", describe_step(STEP), *abbreviate_step(STEP))
    screen.put("^C")  # as a terminal echoes it
    progress.close()
    assert screen.lines == ["begun", ""]
    lay_out(progress)
    clock[0] = 2
    progress.update("CLIP-ReID, seed 0", describe_step(STEP), *abbreviate_step(STEP))
    size[0] = 30
    screen.resize(30)
    progress.close()
    assert screen.lines == ["begun", ""]


def test_a_file_gets_plain_lines_every_ten_seconds_and_quiet_none(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    plain, silent = Screen(), Screen()
    shown = Progress(plain, live=False, quiet=False)
    quiet = Progress(silent, live=False, quiet=True)
    for progress in (shown, quiet):
        progress.lay_out({"one": ("one", 0)})
    for second in range(int(2.5 * PLAIN_INTERVAL)):
        clock[0] = second
        for progress in (shown, quiet):
            progress.update("one", f"{second} s", "short")
    assert plain.lines == ["one: 10 s", "one: 20 s", ""]
    quiet.note("done")
    assert silent.lines == [""]
    quiet.warn("careful")
    assert silent.lines == ["warning: careful", ""]
    quiet.close()
    shown.close()
    assert plain.lines == ["one: 10 s", "one: 20 s", ""]


def test_how_a_step_and_a_duration_read():
    assert describe_step(STEP) == (
        "image-tower, epoch 3/8, image-to-text 1.500, triplet 0.250, 265 images/s, 1 min 15 s left"
    )
    assert abbreviate_step(STEP) == ("3/8 loss 1.750 265/s 75s", "3/8 75s", "3/8")
    assert [abbreviate_step({**STEP, "left": left})[1] for left in (0.4, 150, 7500)] == [
        "3/8 0s",
        "3/8 2m",
        "3/8 2h",
    ]
    assert [duration(x) for x in (0.4, 59.6, 3599, 7500)] == [
        "0 s",
        "1 min 00 s",
        "59 min 59 s",
        "2 h 05 min",
    ]
