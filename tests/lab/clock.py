"""A wall clock that a test can set, for the programs of one host: this machine's stays as it is."""

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest

COMPILER = "cc"
# Only programs that ask libc are fooled: Python is, nats-server and wireguard-go are not.
_SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *offset_s;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("LAB_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) offset_s = found;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += *offset_s;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    if (!failed) *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


@cache
def _shim(directory: Path) -> Path:
    source, built = directory / "clock.c", directory / "clock.so"
    source.write_text(_SHIM)
    words = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(built), str(source)]
    subprocess.run(words, check=True)
    return built


class Clock:
    """The clock of those programs that are started with its `environment`."""

    def __init__(self, directory: Path, name: str) -> None:
        if shutil.which(COMPILER) is None:
            pytest.skip("a clock that can be set needs a C compiler")
        self._file = directory / f"{name}.clock"
        self.set(0)
        self.environment = {"LD_PRELOAD": str(_shim(directory)), "LAB_CLOCK": str(self._file)}

    def set(self, offset_s: int) -> None:
        """Jump to so many seconds after the right time, at once."""
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:
            file.write(struct.pack("=q", offset_s))
