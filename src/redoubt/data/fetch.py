"""The files of data sets and published weights: found in the mirror folder or downloaded, and always checked."""

import gzip
import hashlib
import http.client
import os
import socket
import sys
import time
import zlib
from pathlib import Path

from redoubt.data.disk import UNWRITABLE
from redoubt.errors import RedoubtError

TRIES = 3
WAIT_S = 1.0  # before the second try; three times as long before the third
WEIGHTS = "weights"  # the name of what is no data set, and its folder in a mirror
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


def agrees(found: dict, checksum: str) -> bool:
    """Whether the digests of a file hold a checksum, md5 or sha256."""
    return found[_kind(checksum)] == checksum


def _kind(checksum: str) -> str:
    """Which checksum it is, told by its length."""
    return "sha256" if len(checksum) == 64 else "md5"


class Files:
    """Finds a data set's files: the mirror folder first, then earlier downloads, then the network.

    Args:
        name: the data set, or `weights`.
        mirror: a folder that holds the maker's files, by their names, directly, in a folder named after the
            data set, or where torchvision would put them; or None.
        downloads: where downloaded files are kept, so that preparing again needs no network.
        work: a folder for what is being downloaded or unpacked; on the same disk as `downloads`.
        command: what an error tells to run again.
        parts: the maker's parts that are asked for; a reader may leave the files of others alone.

    Attributes:
        read: what was handed out, for the record: file, bytes, sha256, md5, from ("mirror" or "network").

    Raises:
        RedoubtError: the mirror was named and is not a folder.
    """

    def __init__(
        self,
        name: str,
        mirror: str | os.PathLike | None,
        downloads: Path,
        work: Path,
        command: str,
        parts: tuple[str, ...] = ("train", "test"),
    ):
        self.name, self.downloads, self.work, self.command = name, downloads, work, command
        self.parts = parts
        self.mirror = None if mirror is None else Path(mirror).expanduser()
        self.read: list[dict] = []
        if self.mirror is not None and not self.mirror.is_dir():
            raise RedoubtError(
                "the mirror folder does not exist",
                file=self.mirror,
                key="mirror",
                hint="correct it in config.yaml or behind --mirror, or leave `mirror` out to download from the maker",
            )

    def in_mirror(self, entry: str, *folders: str) -> Path | None:
        """Where the mirror holds this file or folder, or None; `folders` are further places to look."""
        if self.mirror is None:
            return None
        places = [self.mirror / base / folder for base in ("", self.name) for folder in ("", *folders)]
        return next((place / entry for place in places if (place / entry).exists()), None)

    def get(
        self, filename: str, urls: list[str], checksum: str, *folders: str, inside: str | None = None
    ) -> Path:
        """The path of one checked file.

        Args:
            filename: its name in the mirror and among the downloads.
            urls: where its maker publishes it, tried in turn.
            checksum: what its maker (or torchvision) says its md5 or its sha256 is.
            folders: where in the mirror it may be, besides the usual places.
            inside: sha256 of what a gzip'd file holds; the mirror's copy may be compressed otherwise.

        Raises:
            RedoubtError: the mirror's copy is damaged, or no good copy could be had.
        """
        path = self.in_mirror(filename, *folders)
        if path is not None:
            same = inside is not None and _unpacked(path) == inside
            return self.accept(path, None if same else checksum, "mirror")
        path = self.downloads / filename
        if not path.is_file() or not agrees(digests(path), checksum):
            self._download(path, urls, checksum)
        return self.accept(path, checksum, "network")

    def accept(self, path: Path, checksum: str | None, source: str) -> Path:
        """Notes a file as read; RedoubtError where its checksum, md5 or sha256, is not the expected one."""
        try:
            found = digests(path)
        except OSError as error:
            raise RedoubtError(f"cannot read this file: {error.strerror}", file=path) from error
        if checksum is not None and not agrees(found, checksum):
            kind = _kind(checksum)
            raise RedoubtError(
                f"a file of {self._what} is damaged or cut short: wrong checksum",
                file=path,
                value=f"{found['bytes']} bytes, {kind} {found[kind]}",
                allowed=f"{kind} {checksum}",
                hint=f"replace it, or delete it to download it: {self.command}",
            )
        self.read.append({**found, "from": source})
        return path

    @property
    def _what(self) -> str:
        return "published weights" if self.name == WEIGHTS else f"the data set {self.name}"

    def _download(self, path: Path, urls: list[str], checksum: str) -> None:
        """Downloads to `work` and moves the file to its place once its checksum is right."""
        failures, kind = [], _kind(checksum)
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
            if agrees(found, checksum):
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(arriving, path)
                return
            failures.append(
                f"{url}: received {found['bytes']} bytes with {kind} {found[kind]}, not {checksum}"
            )
        where = "a folder named by `mirror`" if self.mirror is None else f"the mirror folder {self.mirror}"
        raise RedoubtError(
            f"{self._what.removeprefix('the ')}: {path.name} is not in the mirror and could not be downloaded "
            f"({TRIES} tries; the last one: {failures[-1]})",
            file=path.name,
            hint=f"either put {path.name} ({kind} {checksum}) into {where}, "
            f"or connect to the network and run again: {self.command}",
        )


def _unpacked(path: Path) -> str | None:
    """sha256 of what a gzip'd file holds, or None where it is no such file."""
    try:
        with gzip.open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        return None


def _transfer(url: str, path: Path) -> None:
    """One attempt at a download, with a progress bar on a terminal; a stalled server is an error."""
    from torch.hub import download_url_to_file

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_S)
    try:
        download_url_to_file(url, str(path), progress=sys.stderr.isatty())
    finally:
        socket.setdefaulttimeout(before)
