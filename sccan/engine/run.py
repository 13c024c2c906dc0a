"""The folder of a run: who may use it, and the files in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sccan.engine.checkpoint import read_state, write_state, write_weights
from sccan.engine.distributed import Runtime
from sccan.engine.environment import describe_environment
from sccan.errors import InputError
from sccan.files.alone import FolderLock
from sccan.files.made import require_no_link
from sccan.files.reading import is_there
from sccan.files.structured import read_json, shown
from sccan.files.writing import PARTIAL, remove_partial, told, write_json, write_text_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SETTINGS, CONFIG, ENVIRONMENT, LOG = "settings.json", "config.yaml", "environment.json", "log.jsonl"
logger = logging.getLogger(__name__)

LAST, BEST, EVENTS = "last.pt", "best.safetensors", "tensorboard"
OWN = (CONFIG, ENVIRONMENT, LOG, LAST, BEST, EVENTS, "results", "report", "predictions", SETTINGS)
"""What an overwriting run removes; nothing else in the folder is touched. The settings make a folder a run's: they
go last and come first, so that a start that was cut off can be repeated."""
FORMER = (".lock",)
"""What earlier versions left in a run folder."""

FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free


class Run:
    """An open run folder; `open_run` makes it. On processes other than the main one nothing is written.

    Attributes:
        folder: where everything lies.
        resumed: whether an earlier run is continued.
        digest: hash of the settings, as weights name it.
    """

    def __init__(self, folder: Path, *, digest: str, resumed: bool, lock: FolderLock | None) -> None:
        self.folder, self.digest, self.resumed = folder, digest, resumed
        self._lock = lock
        self._events: SummaryWriter | None = None

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes."""
        return self._lock is not None

    @property
    def revision(self) -> str | None:
        """The source revision of the latest start."""
        starts = _starts(self.folder)
        return starts[-1].get("revision") if starts else None

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to the log."""
        if not self.writes:
            return
        line = json.dumps(_finite(record)) + "\n"
        try:
            with (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(line)
        except FileNotFoundError as error:
            raise InputError(f"the run folder {self.folder} was removed while it was used; start anew") from error

    def log_size(self) -> int:
        """Bytes in the log so far; a training state remembers them."""
        log = self.folder / LOG
        return log.stat().st_size if log.is_file() else 0

    def cut_log(self, size: int) -> None:
        """Drops what was logged after a training state was saved, so that resuming does not write it twice."""
        if self.writes and self.log_size() > size:
            os.truncate(self.folder / LOG, size)

    def start_events(self, step: int) -> None:
        """Opens the TensorBoard events; those of an earlier process after `step` are hidden. Without TensorBoard there
        are none: the log holds the same numbers."""
        if self.writes:
            try:
                from torch.utils.tensorboard import SummaryWriter  # takes a second to import
            except ModuleNotFoundError as error:
                logger.info("no TensorBoard events: %s is not installed (pip install 'sccan[train]')", error.name)
                return
            self._events = SummaryWriter(str(self.folder / EVENTS), purge_step=step + 1 if self.resumed else None)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds numbers to the TensorBoard events."""
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the training state."""
        if self.writes:
            if self._events is not None:
                self._events.flush()
            write_state(self.folder / LAST, state)

    def load_state(self) -> dict[str, Any] | None:
        """The training state of the run that is resumed; None if it was stopped before its first."""
        last = self.folder / LAST
        return read_state(last) if self.resumed and last.is_file() else None

    def save_best(self, weights: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Replaces the released weights; their header gets the digest of the settings and the source revision."""
        if self.writes:
            facts = {**header, "config_digest": self.digest, "revision": self.revision}
            write_weights(self.folder / BEST, weights, _finite(facts))

    def forget(self) -> None:
        """Removes what a new run wrote, where nothing of it is worth resuming: its settings turned out unfit."""
        if self.writes and not self.resumed and not (self.folder / LAST).is_file():
            self.close()
            with contextlib.suppress(FileNotFoundError):  # somebody has removed the folder meanwhile
                _remove(self.folder)
                if not any(self.folder.iterdir()):
                    self.folder.rmdir()

    def close(self) -> None:
        """Ends the events and lets others use the folder."""
        if self._events is not None:
            self._events.close()
            self._events = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_run(
    folder: Path,
    runtime: Runtime,
    *,
    config_text: str,
    settings: Mapping[str, Any],
    may_differ: Collection[str] = (),
    may_be_new: Collection[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    bytes_needed: int = 0,
    free: FreeBytes = free_bytes,
) -> Run:
    """Takes a folder for a run, new or resumed, and records the settings and the machine in it.

    Args:
        folder: made if it is not there.
        runtime: its main process does the work; all must call.
        config_text: the merged settings as a file that the commands read.
        settings: the same, flattened.
        may_differ: names of settings that a resumed run may have otherwise (device, number of workers ...).
        may_be_new: names of settings that a resumed run may lack, since an earlier version knew none of that name.
        resume: continue the run that is there.
        overwrite: remove the run that is there.
        bytes_needed: what the run will write at most.
        free: tells how many bytes are free on the disk of a folder that exists.

    Raises InputError: the folder is in use, holds another run or other files, holds nothing to resume or a run with
        other settings, cannot be written, or its disk is too full. Nothing in it has been changed then.
    """
    plain = json.loads(json.dumps(dict(settings)))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
    lock, problem = None, ""
    if runtime.is_main:
        try:
            _check_disk(folder, bytes_needed, free)
            lock = _take(folder, _Wanted(plain, may_differ, may_be_new), resume, overwrite)
            _record(folder, plain, config_text, describe_environment(runtime.device), resume)
        except (InputError, OSError) as error:
            problem = told(error) if isinstance(error, OSError) else str(error)
            if not problem:
                raise
            if lock is not None:
                lock.close()
    problem = runtime.share(problem)
    if problem:
        raise InputError(problem)
    return Run(folder, digest=digest, resumed=resume, lock=lock)


def _check_disk(folder: Path, needed: int, free: FreeBytes) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    available = free(there)
    if available < needed:
        raise InputError(
            f"the disk of {folder} has {available / 1e9:.2f} GB free, but the run may need {needed / 1e9:.2f} GB; "
            "free some space or choose another folder"
        )


@dataclass(frozen=True)
class _Wanted:
    """The settings of a run, and by name which of them one that is resumed may have otherwise, or may lack."""

    settings: Mapping[str, Any]
    may_differ: Collection[str]
    may_be_new: Collection[str]


def _take(folder: Path, wanted: _Wanted, resume: bool, overwrite: bool) -> FolderLock:
    """The lock of the folder, once it is certain that this run may use it."""
    if not folder.is_dir():
        _check_content(folder, wanted, resume, overwrite)  # before anything is made
    lock = FolderLock(folder, what="another run uses")
    try:
        _check_content(folder, wanted, resume, overwrite)
        remove_partial(folder)
        if overwrite and not resume:
            _remove(folder)
    except BaseException:
        lock.close()
        raise
    return lock


def _check_content(folder: Path, wanted: _Wanted, resume: bool, overwrite: bool) -> None:
    """Refuses what the folder holds, if it is not what this run may continue, replace or begin."""
    holds_run = (folder / SETTINGS).is_file()
    if resume:
        if not holds_run:
            raise InputError(f"{folder} holds no run to resume; check the name, or start without --resume")
        require_no_link(folder / LOG)
        is_there(folder / LOG, "log of the run")
        _check_settings(folder, wanted)
    elif holds_run and not overwrite:
        raise InputError(
            f"{folder} already holds a run; continue it with --resume, replace it with --overwrite, or choose another "
            "folder"
        )
    elif folder.is_dir() and not holds_run:
        foreign = {path.name for path in folder.iterdir() if not PARTIAL.fullmatch(path.name)} - {*FORMER}
        if foreign:
            raise InputError(f"{folder} holds files that are no run's ({min(foreign)}); choose a new or empty folder")


def _check_settings(folder: Path, wanted: _Wanted) -> None:
    before: dict[str, Any] = read_json(folder / SETTINGS, dict[str, Any], "settings of the run")
    settings, absent = wanted.settings, "nothing"
    passed = {*wanted.may_differ, *(set(wanted.may_be_new) - set(before))}
    changes = [
        f"{name} was {shown(before.get(name, absent))} and is {shown(settings.get(name, absent))}"
        for name in sorted({*before, *settings} - passed)
        if before.get(name, absent) != settings.get(name, absent)
    ]
    if changes:
        raise InputError(
            f"the run in {folder} cannot be resumed under other settings: {'; '.join(changes)}; use the settings it "
            "began with, or start a new run"
        )


def _record(
    folder: Path, settings: Mapping[str, Any], config_text: str, environment: dict[str, Any], resume: bool
) -> None:
    if not resume:
        write_json(folder / SETTINGS, settings)
    if not resume or not (folder / CONFIG).is_file():
        write_text_atomically(folder / CONFIG, config_text)
    write_json(folder / ENVIRONMENT, [*_starts(folder), environment])


def _starts(folder: Path) -> list[dict[str, Any]]:
    """What is known of every start of a run, the earliest first."""
    path = folder / ENVIRONMENT
    return read_json(path, list[dict[str, Any]], "record of the run's starts") if path.is_file() else []


def _remove(folder: Path) -> None:
    for name in OWN:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _finite(value: Any) -> Any:
    """The same plain data with None for numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # false for nan as well
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
