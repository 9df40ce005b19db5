"""Which file system a file lies on: locks of one host do not hold on those that several mount."""

from __future__ import annotations

from pathlib import Path

_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse.sshfs",
}


def on_network(path: Path) -> bool:
    """Whether ``path`` lies on a file system that other hosts can mount too."""
    return _file_system(path) in _NETWORK_FILE_SYSTEMS


def _file_system(path: Path) -> str:
    """The type of the file system that holds ``path``; empty where the system does not say."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    real = str(path.parent.resolve())
    for line in mounts:
        _, mount, file_system, *_ = line.split(" ")
        mount = mount.replace("\\040", " ")
        if len(mount) >= len(best) and (real + "/").startswith(mount.rstrip("/") + "/"):
            best, kind = mount, file_system
    return kind
