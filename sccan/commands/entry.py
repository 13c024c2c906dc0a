"""What every command shares: how it ends, and the options that several of them take."""

import argparse
import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sccan.errors import InputError
from sccan.faults import is_lost_device, is_want_of_memory
from sccan.files.plain import LONGEST_LINE, one_line, plain
from sccan.files.terminal import use_plain_streams
from sccan.files.writing import told

Main = Callable[[list[str] | None], int]


def run_main(main: Main, argv: list[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 2 and one clear line for bad input, 130 when interrupted.

    A disk that is full or may not be written, memory that does not suffice, and a device that is gone are told in a
    line as well.
    """
    use_plain_streams()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is an error of ours, in one line
    try:
        code = main(argv)
        sys.stdout.flush()
    except InputError as error:
        code = _refuse(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); point stdout elsewhere so that the interpreter's last flush
        # does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except (OSError, MemoryError, RuntimeError) as error:
        line = told(error) if isinstance(error, OSError) else _told_fault(error)
        if not line:
            raise
        code = _refuse(line)
    sys.exit(code)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Around the first import of torch: what it makes, a million objects, stays until the process ends.

    The garbage collector would look through them again and again, and once more at the end; without that a command is a
    second shorter.
    """
    collected = gc.isenabled() and "torch" not in sys.modules
    if collected:
        gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.freeze()
            gc.enable()


def say(*lines: str, shown: bool = True) -> None:
    """Prints sentences of ours, whatever names they hold: a line each, without what a terminal would obey.

    Args:
        shown: False on all processes but one.
    """
    if not shown:
        return
    print("".join(f"{plain(line, LONGEST_LINE)}\n" for line in lines), end="", flush=True)


def _refuse(line: str) -> int:
    print(f"error: {one_line(line)}", file=sys.stderr)
    return 2


def _told_fault(error: Exception) -> str:
    """What to say of an error that a machine brings; empty where it is a bug of ours."""
    text = one_line(f"{type(error).__name__}: {error}")[:200]
    if is_want_of_memory(error):
        return f"the memory does not suffice ({text}); use smaller pictures or batches, or fewer --workers"
    if is_lost_device(error):
        return (
            f"the device does not answer any more ({text}); what is finished is kept: when it is back, or with "
            "--device cpu, run the same command again (a training with --resume)"
        )
    return ""


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """A parser whose --help ends with an example."""
    program = Path(sys.argv[0]).name
    return argparse.ArgumentParser(
        prog=f"sccan {sys.argv[1]}" if program in ("sccan", "__main__.py") and len(sys.argv) > 1 else None,
        description=description,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config_options(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """--config FILE and --opts KEY VALUE ..."""
    command.add_argument("--config", required=required, metavar="FILE", help="settings of the run (YAML)")
    command.add_argument(
        "--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE",
        help="settings that replace those of the file, to the end of the line",
    )  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One of the things that a command does, asked for by its first word.

    Attributes:
        help: what it does.
        options: adds its options to a parser.
        run: does it, and gives the exit code.
    """

    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def run_kind(command: argparse.ArgumentParser, kinds: Mapping[str, Kind], argv: list[str] | None) -> int:
    """Do what the first word of the command line asks for."""
    words = command.add_subparsers(dest="kind", required=True, metavar="WHAT")
    for name, kind in kinds.items():
        kind.options(words.add_parser(name, help=kind.help, description=kind.help))
    args = command.parse_args(argv)
    return kinds[args.kind].run(args)
