"""Progress on a terminal and in a file."""

import io

from sccan.engine.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_a_line_now_and_then() -> None:
    stream = io.StringIO()
    with Progress(40, "training", done=10, stream=stream, seconds=0.0) as progress:
        progress.advance(5, note="loss 0.5")
        progress.advance()
    first, second = stream.getvalue().splitlines()
    assert first.startswith("training: 15/40 (37 %), ")
    assert first.endswith("left  loss 0.5")
    assert second.startswith("training: 16/40 (40 %), ")


def test_lines_are_not_written_too_often() -> None:
    stream = io.StringIO()
    with Progress(1000, "training", stream=stream, seconds=60.0) as progress:
        for _ in range(1000):
            progress.advance()
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with Progress(4, "testing", unit="batch", stream=stream) as progress:
        progress.advance(2, note="score 0.5")
    assert "testing:  50%" in stream.getvalue()
    assert "score 0.5" in stream.getvalue()


def test_nothing_is_shown_without_a_label_or_on_other_processes() -> None:
    for stream in (io.StringIO(), Terminal()):
        for progress in (Progress(4, "", stream=stream, seconds=0.0), Progress(4, "a", shown=False, stream=stream)):
            progress.advance(4)
            progress.close()
        assert stream.getvalue() == ""
