"""Becomes a server that does not outlive its parent: `python launch.py PARENT SIGNAL UID GID COMMAND...`

Done in a process of its own rather than in subprocess's `preexec_fn`, which is not safe beside threads.
Gives up root when UID is not 0, asks Linux for SIGNAL on the parent's death, and becomes the command.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, signal, uid, gid = (int(value) for value in sys.argv[1:5])
    command = sys.argv[5:]
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # after setuid, which clears it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
