"""Work in processes of their own that are killed on the way."""

from __future__ import annotations

import os
import signal
import time
import traceback


def fork(work, *args):
    """Begin the work in a process of its own, and return its id."""
    child = os.fork()
    if child == 0:
        try:
            work(*args)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def kill_after(delay_s, work, *args):
    """Do the work in a process that is killed after `delay_s`, if given; return whether that came before its end."""
    child = fork(work, *args)
    if delay_s is not None:
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
