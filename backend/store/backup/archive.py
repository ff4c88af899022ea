"""The archive of a backup: a zip file with the files of a snapshot, and a manifest with the checksum of each."""

import errno
import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError

from backend.errors import BackupError
from backend.settings import VERSION
from backend.store.backup.snapshot import PROJECTS, Piece, Snapshot
from model.files.writing import passing_folder, replacing

# Raise this number when an older release could no longer put an archive in place.
FORMAT = 1
_ABOUT, _MANIFEST = "shortlist-backup.txt", "manifest.json"
_ABOUT_TEXT = """A backup of Shortlist's MODEL_DIR. Put it in place with: python -m backend restore FILE

It holds texts and labels of projects, and the secrets of their webhooks: whoever reads it can send events in
Label Studio's name. Keep it where only you can read it.
"""
# Numbers of models, which no compression makes smaller.
_INCOMPRESSIBLE = (".safetensors", ".f16")
_COMPRESSION_LEVEL = 1
_PIECE_BYTES = 1 << 20
# Limits far above any archive of ours: an archive beyond a limit is refused as a bomb.
_MOST_FILES, _MOST_MANIFEST_BYTES, _MOST_TIMES_LARGER, _ANY_SIZE_BYTES = 500_000, 200_000_000, 200, 100_000_000
_MOST_PARTS, _MOST_NAME_BYTES = 16, 255
# Room that the disk is to keep.
_SPARE_BYTES = 50_000_000
_NAME = re.compile(rf"{PROJECTS}/[0-9][^\x00-\x1f\x7f\\]*")

OnFile = Callable[[str, int], None]


@dataclass(frozen=True)
class PackedFile:
    """A file in an archive.

    Attributes:
        size_bytes: its length.
        sha256: the checksum of its content.
    """

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The list of an archive's files, and its origin.

    Attributes:
        format: see FORMAT.
        shortlist: the release that wrote it.
        at: when, as ISO time.
        has_caches: it holds embeddings.
        files: each file, by its path in MODEL_DIR.
    """

    format: int
    shortlist: str
    at: str
    has_caches: bool
    files: Mapping[str, PackedFile]

    @property
    def size_bytes(self) -> int:
        """Length of all files together."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def projects(self) -> dict[str, int]:
        """The length of the files of each project, by the name of its folder."""
        sizes: dict[str, int] = {}
        for name, file in self.files.items():
            project = name.split("/")[1]
            sizes[project] = sizes.get(project, 0) + file.size_bytes
        return dict(sorted(sizes.items()))


_FORM = TypeAdapter(Manifest)


def write_backup(model_dir: Path, file: Path, *, has_caches: bool, on_file: OnFile) -> tuple[Manifest, tuple[str, ...]]:
    """Write a backup of MODEL_DIR; rounds may run meanwhile.

    Args:
        model_dir: MODEL_DIR.
        file: the archive; one of that name is replaced once the new one is whole.
        has_caches: with embeddings.
        on_file: called with the name and the length of each file before it is packed.

    Returns:
        What the archive holds, and the files that could not be read.

    Raises:
        BackupError: there is nothing to back up.
        OSError: the disk refuses; there is no archive, or the one from before.
    """
    with passing_folder(file.parent) as scratch, replacing(file) as beside:
        snapshot = Snapshot(model_dir, scratch, has_caches)
        with zipfile.ZipFile(beside, "w") as archive:
            archive.writestr(_ABOUT, _ABOUT_TEXT)
            files = {piece.name: _pack(archive, piece, on_file) for piece in snapshot.pieces()}
            if not files:
                raise BackupError(f"MODEL_DIR={model_dir} holds no project: there is nothing to back up")
            now = datetime.now(UTC).isoformat(timespec="seconds")
            manifest = Manifest(FORMAT, VERSION, now, has_caches, files)
            archive.writestr(_MANIFEST, _FORM.dump_json(manifest), zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)
    return manifest, tuple(snapshot.left_out)


def _pack(archive: zipfile.ZipFile, piece: Piece, on_file: OnFile) -> PackedFile:
    # The length at this moment: a journal grows while it is read.
    left = piece.opened.seek(0, 2)
    piece.opened.seek(0)
    on_file(piece.name, left)
    info = zipfile.ZipInfo(piece.name)
    info.external_attr = 0o600 << 16
    info.compress_type = zipfile.ZIP_STORED if piece.name.endswith(_INCOMPRESSIBLE) else zipfile.ZIP_DEFLATED
    info._compresslevel = _COMPRESSION_LEVEL  # type: ignore[attr-defined]
    digest, packed = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=True) as target:
        while left and (content := piece.opened.read(min(left, _PIECE_BYTES))):
            target.write(content)
            digest.update(content)
            packed, left = packed + len(content), left - len(content)
    return PackedFile(packed, digest.hexdigest())


class Backup:
    """An archive, open for reading.

    Attributes:
        manifest: the archive's manifest.
    """

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, file: Path) -> None:
        self.manifest = manifest
        self._archive = archive
        self._file = file

    def unpack(self, folder: Path, on_file: OnFile) -> None:
        """Write all files below a folder, and compare each with its checksum.

        Nothing but regular files is written, and only under the names of the manifest, which `open_backup` has checked.

        Args:
            folder: an empty folder.
            on_file: called with the name and the length of each file before it is written.

        Raises:
            BackupError: a file is damaged, or the disk has too little room.
            OSError: the disk refuses.
        """
        self._check_room(folder)
        for name, packed in self.manifest.files.items():
            on_file(name, packed.size_bytes)
            target = folder / name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as written:
                    digest = self._copy(name, written)
            except (FileExistsError, NotADirectoryError) as error:
                raise BackupError(f"{self._file} is no backup of Shortlist: {name!r} is in it twice") from error
            if digest != packed.sha256:
                raise BackupError(f"{self._file} is damaged: {name} differs from its checksum; nothing was changed")

    def _copy(self, name: str, written: BinaryIO) -> str:
        """Unpack a file; a zip file gives no more than the length that `open_backup` has compared."""
        digest = hashlib.sha256()
        with _damage(self._file), self._archive.open(name) as packed:
            while content := packed.read(_PIECE_BYTES):
                written.write(content)
                digest.update(content)
        return digest.hexdigest()

    def _check_room(self, folder: Path) -> None:
        free_bytes = shutil.disk_usage(folder).free
        if self.manifest.size_bytes + _SPARE_BYTES > free_bytes:
            needed, free = (f"{n / 1e6:,.0f} MB" for n in (self.manifest.size_bytes + _SPARE_BYTES, free_bytes))
            raise BackupError(
                f"{self._file} needs {needed} on the disk of {folder.parent}, which has {free}: make room"
            )


@contextmanager
def open_backup(file: Path) -> Iterator[Backup]:
    """Open an archive, and check everything that can be known without unpacking it.

    Raises:
        BackupError: it is no backup, or damaged, or of a newer release, or would fill the disk.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        with _damage(file):
            archive = zipfile.ZipFile(opened)
        with archive:
            yield Backup(archive, _manifest_of(archive, file), file)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Tell a damaged archive from a file that never was one."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        LookupError,
    ) as error:
        raise _no_backup(file) from error
    except OSError as error:
        # A damaged directory can lead to a place before the file's beginning.
        if error.errno == errno.EINVAL:
            raise _no_backup(file) from error
        raise


def _no_backup(file: Path) -> BackupError:
    with file.open("rb") as opened:
        is_ours = _ABOUT.encode() in opened.read(100)
    if is_ours:
        return BackupError(f"{file} is damaged or was cut: take another backup; nothing was changed")
    return BackupError(f"{file} is no backup of Shortlist: `python -m backend backup` makes one; nothing was changed")


def _manifest_of(archive: zipfile.ZipFile, file: Path) -> Manifest:
    with _damage(file):
        if archive.getinfo(_MANIFEST).file_size > _MOST_MANIFEST_BYTES:
            raise _no_backup(file)
        content = archive.read(_MANIFEST)
        _check_format(content, file)
        try:
            manifest = _FORM.validate_json(content)
        except ValidationError as error:
            raise _no_backup(file) from error
    _check_names(archive, manifest, file)
    return manifest


def _check_format(content: bytes, file: Path) -> None:
    """A newer release may write another manifest: its number is looked at first."""
    found = TypeAdapter(dict[str, object]).validate_json(content)
    if isinstance(found.get("format"), int) and found["format"] != FORMAT:
        raise BackupError(
            f"{file} has the format {found['format']} of release {found.get('shortlist')}, and this release reads "
            f"{FORMAT}: put it in place with that release or a later one; nothing was changed"
        )


def _check_names(archive: zipfile.ZipFile, manifest: Manifest, file: Path) -> None:
    """See that the archive holds exactly the files of its manifest, none of which leads out of MODEL_DIR."""
    infos = archive.infolist()
    packed_bytes = file.stat().st_size
    if len(infos) > _MOST_FILES or manifest.size_bytes > max(_ANY_SIZE_BYTES, _MOST_TIMES_LARGER * packed_bytes):
        raise BackupError(f"{file} is no backup of Shortlist: unpacked it would be {manifest.size_bytes:,} bytes")
    for name in manifest.files:
        if not _is_safe(name):
            raise BackupError(
                f"{file} is no backup of Shortlist: {name!r} is no file of MODEL_DIR; nothing was changed"
            )
    packed = {info.filename: info.file_size for info in infos if info.filename not in (_ABOUT, _MANIFEST)}
    expected = {name: listed.size_bytes for name, listed in manifest.files.items()}
    if packed != expected or len(infos) != len(expected) + 2:
        raise BackupError(f"{file} is damaged: its files are not those of its manifest; nothing was changed")


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        _NAME.fullmatch(name) is not None
        and path.as_posix() == name
        and 2 < len(path.parts) <= _MOST_PARTS
        and not any(
            part in ("..", ".") or len(part.encode("utf-8", "replace")) > _MOST_NAME_BYTES for part in path.parts
        )
    )
