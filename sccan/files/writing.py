"""Files that appear whole or not at all: written beside their place, flushed, then renamed over it."""

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sccan.errors import InputError

ADVICE = {
    errno.ENOSPC: "free some disk space or choose another folder",
    errno.EDQUOT: "free some of the disk quota or choose another folder",
    errno.EACCES: "choose a folder that may be written",
    errno.EPERM: "choose a folder that may be written",
    errno.EROFS: "choose a folder that may be written",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "a part of the path is a file; choose another folder",
    errno.EISDIR: "the path is a folder; choose a file name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EFBIG: "files may not grow so large here; raise that limit (ulimit -f) or choose another disk",
    errno.ELOOP: "a link of the path leads back to itself; choose another folder",
    errno.EMFILE: "too many files are open; raise that limit (ulimit -n)",
    errno.EIO: "the disk fails; choose another one",
    errno.ENOLCK: "the disk keeps no locks; choose another one",
}
UNNAMED = ("requested and", "encoder error")
"""Parts of what numpy and Pillow say of a disk that took a part of the content; they name no reason."""
PARTIAL = re.compile(r"\..+\.sccan-[0-9a-f]{8}\.partial")
"""Names of files that a killed process of ours leaves: never a final name, and nobody else's."""


@contextlib.contextmanager
def written_beside(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """A path in the same folder to write to; it takes the name `path` once the block ends without an error.

    Missing folders are made. The content is on the disk before the rename, so that neither a killed process nor a
    power cut leaves half a file under the final name; after an error the partial file is removed. Where tens of
    thousands of files can be made again, `durable` False spares the wait for the disk (some 5 ms per file) and keeps
    the promise for killed processes alone.

    Raises InputError: the folder or the file cannot be written (no space, no permission, a file in the way).
    """
    path = Path(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = partial_of(path)
        beside.touch(exist_ok=False)
        yield beside
        if durable:
            _flush(beside)
        beside.replace(path)
        if durable:
            _flush(path.parent)
    except OSError as error:
        if error.errno == errno.ENOENT and not path.parent.is_dir():
            raise InputError(f"cannot write {path}: its folder was removed meanwhile; start again") from error
        if error.errno not in ADVICE and not any(part in str(error) for part in UNNAMED):
            raise
        raise InputError(_cannot_write(path, error)) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):  # it would hide what went wrong
                beside.unlink(missing_ok=True)  # gone after a rename, left over after an error


def told(error: OSError) -> str:
    """What to say of a path or disk that takes or gives nothing; empty where that is not the fault."""
    if error.errno not in ADVICE:
        return ""
    return f"cannot use {error.filename or 'a file'}: {error.strerror}; {ADVICE[error.errno]}"


def take_time(path: Path, source: Path) -> None:
    """Gives a file the time of another, from which it can be made again."""
    times = source.stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def partial_of(path: Path) -> Path:
    """Where a file or folder is written before it gets its name; known by that as ours (`remove_partial`)."""
    return path.with_name(f".{_cut(path.name, 200)}.sccan-{secrets.token_hex(4)}.partial")


def remove_partial(folder: Path) -> None:
    """Removes what killed processes of ours left of files and folders they were writing, in a folder and below it."""
    for left in [one for one in folder.rglob(".*.partial") if PARTIAL.fullmatch(one.name) and not one.is_symlink()]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _cannot_write(path: str | Path, error: OSError) -> str:
    if error.errno is None:
        return f"cannot write {path}: {error}; free some disk space or choose another folder"
    return f"cannot write {path}: {error.strerror}; {ADVICE[error.errno]}"


def _cut(name: str, longest: int) -> str:
    """The beginning of a name, of at most so many bytes."""
    return os.fsencode(name)[:longest].decode("utf-8", "ignore")


def write_bytes_atomically(path: str | Path, content: bytes) -> Path:
    """Writes `content` to `path`, whole or not at all; see `written_beside`."""
    with written_beside(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def write_text_atomically(path: str | Path, text: str | Iterable[str]) -> Path:
    """Writes UTF-8 text with Unix line ends to `path`, whole or not at all; see `written_beside`.

    Args:
        text: the text, or its parts one after another, which need not be in memory together.
    """
    with (
        written_beside(path) as beside,
        beside.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,  # names need not be UTF-8
    ):
        file.writelines([text] if isinstance(text, str) else text)
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Writes plain data as indented JSON, whole or not at all.

    Args:
        value: may be an iterator, or an object some of whose values are iterators: lists that need not be in memory as
            a whole.

    Raises ValueError: a number is not finite (JSON has no name for it).
    """
    return write_text_atomically(path, _json_parts(value))


def _json_parts(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and any(isinstance(one, Iterator) for one in value.values()):
        for place, (name, one) in enumerate(value.items()):
            yield f"{',' if place else '{'}\n  {json.dumps(name, ensure_ascii=False)}: "
            yield from _value_parts(one, 2)
        yield "\n}\n"
    else:
        yield from _value_parts(value, 0)
        yield "\n"


def _value_parts(value: Any, by: int) -> Iterator[str]:
    """A value whose lines but the first stand so much further to the right."""
    if not isinstance(value, Iterator):
        yield _indented(value, by)
        return
    place = -1
    for place, one in enumerate(value):
        yield f"{',' if place else '['}\n{' ' * (by + 2)}{_indented(one, by + 2)}"
    yield f"\n{' ' * by}]" if place >= 0 else "[]"


def _indented(value: Any, by: int) -> str:
    """JSON whose lines but the first stand so much further to the right; texts hold no line ends of their own."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.replace("\n", "\n" + " " * by)


def _flush(path: Path) -> None:
    """Asks the system to bring a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
