#!/usr/bin/python3
"""Stops one thread of a process and leaves the others running: freeze.py PID THREAD-NAME

As a debugger does it (ptrace(2)): a signal would stop the whole process. The thread
stays stopped until the process dies; a tracer that stayed would keep it a zombie.
"""

import ctypes
import sys
import time
from pathlib import Path

SEIZE, INTERRUPT = 0x4206, 0x4207

process, name = Path("/proc", sys.argv[1]), sys.argv[2]
thread = next(int(task.name) for task in (process / "task").iterdir() if (task / "comm").read_text().strip() == name)
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"ptrace {request:#x}: errno {ctypes.get_errno()}")
while process.exists() and (process / "stat").read_text().rpartition(") ")[2][0] not in "ZX":
    time.sleep(0.2)
