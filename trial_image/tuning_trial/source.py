"""Follows a file that somebody else writes, and trusts nothing about it.

The trial owns the file: it may come late, be truncated or replaced, and a hostile one may put a link to the sidecar's
own secrets in its place, or a FIFO that blocks whoever opens it. So only regular files are read, no link below `root`
is followed, and an open file is read to its end before the one that took its place.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import PurePath

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Source:
    """The bytes appended to the file at `path`, whichever file that is at the moment."""

    def __init__(self, path: str, root: str = "") -> None:
        """`root` is the folder that is trusted, by default the one that `path` is in.

        Raises ValueError when `path` does not lie below it.
        """
        self.path = path
        self._root = root or os.path.dirname(path) or "."  # noqa: PTH120
        if escapes(path, self._root) or PurePath(path) == PurePath(self._root):
            raise ValueError(
                f"the metrics file {path} does not lie in {self._root}; write a path below it without '..'"
            )
        self._parts = PurePath(path).relative_to(self._root).parts
        self._descriptor = -1
        self._identity = (0, 0)
        self._offset = 0
        self.problem = self._missing()

    def read(self, size: int) -> bytes | None:
        """At most `size` bytes more, empty when there are none now.

        None says that the file has ended: it was truncated or replaced, and what is read next does not continue it.
        """
        if self._descriptor < 0 and not self._open():
            return b""
        try:
            # Asked before the read: what was written before the file was replaced is then surely read before the next one.
            replaced = self._is_replaced()
            data = os.pread(self._descriptor, size, self._offset)
            self._offset += len(data)
            return None if not data and (self._restart() or (replaced and self._reopen())) else data
        except OSError as error:
            self.problem = f"{self.path} cannot be read ({error.strerror})"
            return b""

    def unread(self) -> int:
        """How many bytes wait to be read."""
        return max(0, os.fstat(self._descriptor).st_size - self._offset) if self._descriptor >= 0 else 0

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _is_replaced(self) -> bool:
        try:
            now = os.lstat(self.path)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) != self._identity

    def _restart(self) -> bool:
        if os.fstat(self._descriptor).st_size >= self._offset:
            return False
        self._offset = 0
        return True

    def _reopen(self) -> bool:
        ended = self._descriptor
        if not self._open():
            return False
        os.close(ended)
        return True

    def _open(self) -> bool:
        """Open the file that is at the path now; on failure the one that is open stays so, and `problem` says why."""
        try:
            descriptor = self._walk()
        except OSError as error:
            self.problem = self._explain(error)
            return False
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            self.problem = self._wrong(KINDS.get(stat.S_IFMT(status.st_mode), "something else"))
            return False
        self._descriptor, self._identity, self._offset = descriptor, (status.st_dev, status.st_ino), 0
        self.problem = ""
        return True

    def _walk(self) -> int:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        folder = os.open(self._root, flags | os.O_DIRECTORY)
        for name in self._parts:
            last = name is self._parts[-1]
            try:
                inner = os.open(name, flags | os.O_NOFOLLOW | (0 if last else os.O_DIRECTORY), dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _explain(self, error: OSError) -> str:
        if error.errno == errno.ENOENT:
            return self._missing()
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return self._wrong("a symbolic link or lies behind one")
        if error.errno == errno.ENXIO:
            return self._wrong("a socket")
        if error.errno == errno.EACCES:
            return f"{self.path} must not be read by user {os.geteuid()}; let the trial create it readable for others"
        return f"{self.path} cannot be opened ({error.strerror})"

    def _missing(self) -> str:
        return f"{self.path} was never written; let the trial write to the file that TUNING_METRICS_FILE names"

    def _wrong(self, kind: str) -> str:
        return f"{self.path} is {kind}; the trial must write a regular file there"


def escapes(path: str, root: str) -> bool:
    """Whether `path` does not surely lie below `root`, or is it."""
    return PurePath(root) not in (PurePath(path), *PurePath(path).parents) or ".." in path.split("/")
