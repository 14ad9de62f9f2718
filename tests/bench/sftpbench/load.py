"""Mixed load for `soak`: sessions that put, get, list, look at, rename and remove files of their own
folder, and come back now and then, some of them cut off in the middle of a transfer."""
import os
import random
import struct
import threading
import time

from .client import ClientError, hello, ssh_subsystem
from .pipelined import CLOSE, HANDLE, OPEN, WRITE, Session, expect_ok, get_job, stat_job, string

OPENDIR, READDIR, REMOVE, MKDIR, RENAME, NAME, STATUS = 11, 12, 13, 14, 18, 104, 101
PUT_FLAGS = 0x1A
PIECE, DEPTH = 32768, 32
LARGEST = 4 << 20
MOST_FILES = 40


def request_job(kind, body):
    expect_ok(*(yield kind, body))


def handle_job(kind, body, into):
    t, b = yield kind, body
    if t != HANDLE:
        raise ClientError(f"no handle: reply {t} {b[:80]!r}")
    into.append(b[4:])


def write_job(handle, offset, piece):
    expect_ok(*(yield WRITE, string(handle) + struct.pack(">Q", offset) + string(piece)))


def list_job(path, into):
    handle = []
    yield from handle_job(OPENDIR, string(path), handle)
    while True:
        t, b = yield READDIR, string(handle[0])
        if t != NAME:
            break
        into.append(struct.unpack_from(">I", b)[0])
    expect_ok(*(yield CLOSE, string(handle[0])))


class Pace:
    """Lets `rate` operations a second begin, over all sessions."""

    def __init__(self, rate):
        self.step, self.next, self.lock = 1 / rate, time.monotonic(), threading.Lock()

    def wait(self, stop):
        with self.lock:
            now = time.monotonic()
            begin = self.next = max(now, self.next + self.step)
        return not stop.wait(begin - now)


class Client:
    """One session after another, until told to stop."""

    def __init__(self, env, server, number, pace, stop):
        self.env, self.server, self.pace, self.stop = env, server, pace, stop
        self.folder = b"/soak-%03d" % number
        self.random = random.Random(number)
        self.source = os.urandom(LARGEST + 997)
        self.files, self.made = {}, 0
        self.process, self.counts, self.error = None, {}, None

    def run(self):
        try:
            self._connect()
            self._all([request_job(MKDIR, string(self.folder) + bytes(4))])
            while self.pace.wait(self.stop):
                self._step()
        except (ClientError, OSError, ValueError) as e:
            self.error = e
            self.stop.set()
        finally:
            self._leave()

    def _step(self):
        mix = {"put": 25, "get": 25, "ls": 15, "stat": 20, "rename": 5, "rm": 6, "reconnect": 3,
               "cut": 1}
        name = self.random.choices(list(mix), mix.values())[0]
        if name in ("get", "stat", "rename", "rm") and not self.files:
            name = "put"
        if name == "put" and len(self.files) >= MOST_FILES:
            name = "rm"
        getattr(self, "_" + name)()
        self.counts[name] = self.counts.get(name, 0) + 1

    def _connect(self):
        self.process = ssh_subsystem(self.env, self.server)
        hello(self.process)

    def _leave(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            for f in (self.process.stdin, self.process.stdout, self.process.stderr):
                f.close()
            self.process = None

    def _all(self, jobs, depth=DEPTH):
        Session(self.process, jobs, depth).run(time.monotonic() + 120)

    def _path(self, name):
        return self.folder + b"/" + name

    def _some_file(self):
        return self.random.choice(sorted(self.files))

    def _content(self, name):
        start, size = self.files[name]
        return self.source[start:start + size]

    def _open(self, name):
        handle = []
        body = string(self._path(name)) + struct.pack(">II", PUT_FLAGS, 0)
        self._all([handle_job(OPEN, body, handle)])
        return handle[0]

    def _writes(self, handle, content):
        return [write_job(handle, at, content[at:at + PIECE])
                for at in range(0, len(content), PIECE)]

    def _put(self):
        """Over a file that is there, one time of four."""
        if self.files and self.random.random() < 0.25:
            name = self._some_file()
        else:
            self.made += 1
            name = b"file-%06d" % self.made
        size = int(2 ** self.random.uniform(0, 22))
        self.files[name] = (self.random.randrange(997), size)
        handle = self._open(name)
        self._all(self._writes(handle, self._content(name)))
        self._all([request_job(CLOSE, string(handle))])

    def _get(self):
        name = self._some_file()
        self._all([get_job(self._path(name), self._content(name))])

    def _ls(self):
        entries = []
        self._all([list_job(self.folder, entries)])
        if sum(entries) < len(self.files):
            raise ClientError(f"{sum(entries)} entries instead of {len(self.files)}")

    def _stat(self):
        self._all([stat_job(self._path(self._some_file())) for _ in range(20)])

    def _rename(self):
        old = self._some_file()
        self.made += 1
        new = b"moved-%06d" % self.made
        self._all([request_job(RENAME, string(self._path(old)) + string(self._path(new)))])
        self.files[new] = self.files.pop(old)

    def _rm(self):
        name = self._some_file()
        self._all([request_job(REMOVE, string(self._path(name)))])
        del self.files[name]

    def _reconnect(self):
        self.process.stdin.close()
        self.process.wait(30)
        self._leave()
        self._connect()

    def _cut(self):
        """The connection breaks in the middle of an upload; what stays of it goes."""
        handle = self._open(b"cut")
        self._all(self._writes(handle, self.source[:PIECE * 8]))
        self._leave()
        self._connect()
        self._all([request_job(REMOVE, string(self._path(b"cut")))])
