"""Zip archives, each member read to its end and compared with its sum."""

import errno
import fnmatch
import lzma
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, Bad

_PIECE: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_FORGET_ALL: Final = 0


def verify(request: Mapping[str, Any]) -> str:
    """Verify an archive; return what that rests on."""
    if os.path.getsize(request["path"]) == 0:
        raise Bad("it is empty")
    with open(request["path"], "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check(archive, request)
        except (zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise Bad(f"it cannot be read as zip ({error})") from None
        except OSError as error:
            if error.errno is None:  # bzip2's, which has no error of its own
                raise Bad(f"it cannot be read as zip ({error})") from None
            if error.errno == errno.EINVAL:  # a place before the beginning of the file
                raise Bad("it cannot be read as zip (a member lies outside of it)") from None
            raise
        except NotImplementedError as error:
            raise Trouble(f"it is packed in a way that is not known here ({error})", "use `check_command`") from None
        finally:
            os.posix_fadvise(file.fileno(), 0, _FORGET_ALL, os.POSIX_FADV_DONTNEED)
    return CHECKSUMS


def _check(archive: zipfile.ZipFile, request: Mapping[str, Any]) -> None:
    members = archive.infolist()
    if not members:
        raise Bad("nothing is in it")
    for pattern in request["members"]:
        if not any(fnmatch.fnmatchcase(member.filename, pattern) for member in members):
            raise Bad(f"no member fits {pattern!r}")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise Trouble("it is encrypted, and cannot be read without its password", "verify it by `check_command`")
    if sum(member.file_size for member in members) > request["max_bytes"]:
        raise Trouble(f"more than {request['max_bytes']:,} bytes are in it, and none are read", "raise `max_bytes`")
    for member in members:
        _read(archive, member)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    count = 0
    with archive.open(member) as file:
        while piece := file.read(_PIECE):  # which ends where it should, and compares the sum there
            count += len(piece)
    if count != member.file_size:
        raise Bad("a member ends too early")
