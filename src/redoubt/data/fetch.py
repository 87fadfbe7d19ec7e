"""The files that a data set is read from: found in the mirror folder or downloaded, and always checked."""

import hashlib
import http.client
import os
import socket
import sys
import time
from pathlib import Path

from redoubt.data.disk import UNWRITABLE
from redoubt.errors import RedoubtError

TRIES = 3
WAIT_S = 1.0  # before the second try; three times as long before the third
STALLED_S = 60  # a server that sends nothing for this long has broken the download off


def digests(path: Path) -> dict:
    """The name, size in bytes, sha256 and md5 of a file: one entry of a record's `read` list."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
    size = path.stat().st_size
    return {"file": path.name, "bytes": size, "sha256": sha256.hexdigest(), "md5": md5.hexdigest()}


class Files:
    """Finds a data set's files: the mirror folder first, then earlier downloads, then the network.

    Args:
        name: the data set.
        mirror: a folder that holds the maker's files, by their names, directly, in a folder named after the
            data set, or where torchvision would put them; or None.
        downloads: where downloaded files are kept, so that preparing again needs no network.
        work: a folder for what is being downloaded or unpacked; on the same disk as `downloads`.
        command: what an error tells to run again.

    Attributes:
        read: what was handed out, for the record: file, bytes, sha256, md5, from ("mirror" or "network").

    Raises:
        RedoubtError: the mirror was named and is not a folder.
    """

    def __init__(
        self, name: str, mirror: str | os.PathLike | None, downloads: Path, work: Path, command: str
    ):
        self.name, self.downloads, self.work, self.command = name, downloads, work, command
        self.mirror = None if mirror is None else Path(mirror).expanduser()
        self.read: list[dict] = []
        if self.mirror is not None and not self.mirror.is_dir():
            raise RedoubtError(
                "the mirror folder does not exist",
                file=self.mirror,
                key="data.mirror",
                hint="correct the path, or leave `mirror` out to download from the data set's maker",
            )

    def in_mirror(self, entry: str, *folders: str) -> Path | None:
        """Where the mirror holds this file or folder, or None; `folders` are further places to look."""
        if self.mirror is None:
            return None
        places = [self.mirror / base / folder for base in ("", self.name) for folder in ("", *folders)]
        return next((place / entry for place in places if (place / entry).exists()), None)

    def get(self, filename: str, urls: list[str], md5: str, *folders: str) -> Path:
        """The path of one checked file.

        Args:
            filename: its name in the mirror and among the downloads.
            urls: where its maker publishes it, tried in turn.
            md5: what its maker (or torchvision) says its md5 is.
            folders: where in the mirror it may be, besides the usual places.

        Raises:
            RedoubtError: the mirror's copy is damaged, or no good copy could be had.
        """
        path = self.in_mirror(filename, *folders)
        if path is not None:
            return self.accept(path, md5, "mirror")
        path = self.downloads / filename
        if not path.is_file() or digests(path)["md5"] != md5:
            self._download(path, urls, md5)
        return self.accept(path, md5, "network")

    def accept(self, path: Path, md5: str | None, source: str) -> Path:
        """Notes a file as read; RedoubtError where its md5 is not the expected one."""
        try:
            found = digests(path)
        except OSError as error:
            raise RedoubtError(f"cannot read this file: {error.strerror}", file=path) from error
        if md5 is not None and found["md5"] != md5:
            raise RedoubtError(
                f"a file of the data set {self.name} is damaged or cut short: wrong checksum",
                file=path,
                value=f"{found['bytes']} bytes, md5 {found['md5']}",
                allowed=f"md5 {md5}",
                hint=f"replace it, or delete it to download it: {self.command}",
            )
        self.read.append({**found, "from": source})
        return path

    def _download(self, path: Path, urls: list[str], md5: str) -> None:
        """Downloads to `work` and moves the file to its place once its checksum is right."""
        failures = []
        for attempt in range(TRIES):
            if attempt:
                time.sleep(WAIT_S * 3 ** (attempt - 1))
            url = urls[attempt % len(urls)]
            arriving = self.work / path.name
            try:
                _transfer(url, arriving)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if getattr(error, "errno", None) in UNWRITABLE:
                    raise
                failures.append(f"{url}: {error or type(error).__name__}")
                continue
            found = digests(arriving)
            if found["md5"] == md5:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(arriving, path)
                return
            failures.append(f"{url}: received {found['bytes']} bytes with md5 {found['md5']}, not {md5}")
        where = "a folder named by `mirror`" if self.mirror is None else f"the mirror folder {self.mirror}"
        raise RedoubtError(
            f"data set {self.name}: {path.name} is not in the mirror and could not be downloaded "
            f"({TRIES} tries; the last one: {failures[-1]})",
            file=path.name,
            hint=f"either put {path.name} (md5 {md5}) into {where}, "
            f"or connect to the network and run again: {self.command}",
        )


def _transfer(url: str, path: Path) -> None:
    """One attempt at a download, with a progress bar on a terminal; a stalled server is an error."""
    from torch.hub import download_url_to_file

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_S)
    try:
        download_url_to_file(url, str(path), progress=sys.stderr.isatty())
    finally:
        socket.setdefaulttimeout(before)
