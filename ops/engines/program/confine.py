"""Confines a process that runs a program: its child processes exit with it and cannot read other processes' keys.

Programs are confined only on Linux on x86-64 and ARM64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38


def confine() -> None:
    """Permanently confine this thread and all threads and processes that it starts.

    They remain in this process's group even if they call ``setsid``, so they can be killed as a group. They cannot read
    the memory or environment of other processes, which contain keys, and on Linux 6.12 or later they cannot signal them
    either. They cannot gain privileges, for example with sudo. Steps that the kernel or a container does not allow are
    skipped.
    """
    if sys.platform != "linux":
        return
    for step in (_gain_no_rights, _keep_in_group, _isolate, _drop_capabilities):
        with suppress(OSError):
            step()


def _gain_no_rights() -> None:
    """Set ``no_new_privs``, which the other steps require."""
    _call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _call(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# --- seccomp (linux/seccomp.h, linux/filter.h) ----------------------------------------------------------------------

_CALLS = {"x86_64": (0xC000003E, (109, 112)), "aarch64": (0xC00000B7, (154, 157))}
"""Seccomp architecture id and system call numbers of setpgid and setsid, by machine (linux/audit.h, asm/unistd.h)."""
_FIRST_OF_X32 = 0x40000000
"""First system call number of the x32 ABI on x86-64."""
_ALLOW = 0x7FFF0000
_ANSWER = 0x00050000
"""Combined with an errno; without one, the system call appears to succeed."""
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _MACHINE = 0, 4
"""Offsets of the system call number and the architecture in the filter's data."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("then", ctypes.c_uint8), ("else_", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def _keep_in_group() -> None:
    """Make setpgid and setsid succeed without any effect."""
    if platform.machine() not in _CALLS:
        return
    machine, numbers = _CALLS[platform.machine()]
    _install_filter(
        [
            (_LOAD, 0, 0, _MACHINE),
            (_IF_EQUAL, 1, 0, machine),
            (_RETURN, 0, 0, _ANSWER | errno.ENOSYS),
            (_LOAD, 0, 0, _NUMBER),
            (_IF_AT_LEAST, 0, 1, _FIRST_OF_X32),
            (_RETURN, 0, 0, _ANSWER | errno.ENOSYS),
            (_IF_EQUAL, 1, 0, numbers[0]),
            (_IF_EQUAL, 0, 1, numbers[1]),
            (_RETURN, 0, 0, _ANSWER),
            (_RETURN, 0, 0, _ALLOW),
        ]
    )


def _install_filter(instructions: Sequence[tuple[int, int, int, int]]) -> None:
    array = (_Instruction * len(instructions))(*(_Instruction(*each) for each in instructions))
    program = _Filter(len(instructions), array)
    _call(_libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))


# --- Landlock (linux/landlock.h) ------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_MAKE_BLOCK, _REFER = 1 << 11, 1 << 13
_SIGNAL = 1 << 1
_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_version() -> int:
    """Landlock's ABI version; 0 if the kernel does not support Landlock."""
    found: int = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    return max(found, 0)


def _isolate() -> None:
    """Put this thread into a Landlock domain, so that it cannot trace outside processes or read their environment.

    A domain must restrict something, so this one restricts two rights and then allows them everywhere.
    """
    version = landlock_version()
    if version < 2:
        return
    files = _MAKE_BLOCK | _REFER
    rules = _Ruleset(files, 0, _SIGNAL if version >= 6 else 0)
    size = ctypes.sizeof(rules) if version >= 6 else 8
    ruleset = _call(_libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0))
    root = os.open("/", os.O_PATH)
    try:
        everywhere = _Beneath(files, root)
        _call(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(everywhere), 0))
        _call(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(root)
        os.close(ruleset)


# --- capabilities (linux/capability.h) ------------------------------------------------------------------------------

_VERSION = 0x20080522
_TO_READ_OTHERS = (19, 21, 38)
"""CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_PERFMON."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("thread", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def _drop_capabilities() -> None:
    """Drop the capabilities that would let root bypass Landlock's restrictions."""
    header, sets = _Header(_VERSION, 0), (_Sets * 2)()  # of the first 32 capabilities, and of the rest
    _call(_libc.capget(ctypes.byref(header), sets))
    for capability in _TO_READ_OTHERS:
        part, rest = sets[capability // 32], ~(1 << capability % 32)
        part.effective &= rest
        part.permitted &= rest
        part.inheritable &= rest
    _call(_libc.capset(ctypes.byref(header), sets))
