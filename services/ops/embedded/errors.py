"""What can keep an embedded server from running, and what to do about it."""

from __future__ import annotations

from services.kit import errors


class EmbeddedError(errors.TuttuError):
    """An embedded server cannot run."""


class RegistryUnreachable(EmbeddedError):
    """{jar} could not be fetched ({reason}).
    Check the network and its proxy (HTTPS_PROXY, REQUESTS_CA_BUNDLE), or name a mirror of Maven Central in
    TUTTU_MAVEN_REPOSITORY; then run the same command again."""


class JarMismatch(EmbeddedError):
    """{jar} is not the file that jars.sha256 names: its SHA-256 is {actual} instead of {expected}.
    Nothing was run. Fetch it from another network or mirror; do not edit jars.sha256 to make it fit."""


class JarNotListed(EmbeddedError):
    """jars.sha256 has no entry for {wanted}.
    Write the list anew with `python -m services.ops.embedded lock`."""


class JarListUnreadable(EmbeddedError):
    """jars.sha256 cannot be read: line {line} is not "SHA-256, size, coordinate". Restore the file."""


class PlatformUnsupported(EmbeddedError):
    """There is no embedded PostgreSQL for {platform}.
    Point Tuttu at servers of your own instead, or use docker-compose.yml."""


class FolderNotWritable(EmbeddedError):
    """{server} cannot keep its data in {folder} ({reason}). Make it writable, or choose another folder."""


class CacheNotWritable(EmbeddedError):
    """{folder} cannot keep what is fetched ({reason}). Make it writable, or name another in TUTTU_CACHE."""


class FolderInUse(EmbeddedError):
    """{server} already runs on {folder}: process {pid}, started by process {owner}, which is still alive.
    End process {owner}, or choose another folder."""


class PortOccupied(EmbeddedError):
    """{server} cannot listen on 127.0.0.1:{port}: {reason}.
    End what listens there, or choose another port."""


class StartFailed(EmbeddedError):
    """{server} did not start: {reason}. The end of {log}:
    {tail}"""
