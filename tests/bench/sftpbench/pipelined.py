"""A small SFTP client that keeps many requests in flight on one session, on top of `ssh -s`.

A job is a generator: it yields a request (type, body) and is sent the reply (type, body).
"""
import os
import selectors
import struct
import time

from .client import ClientError, hello, ssh_subsystem

OPEN, CLOSE, READ, WRITE, LSTAT = 3, 4, 5, 6, 7
STATUS, HANDLE, DATA, ATTRS = 101, 102, 103, 105


def string(data):
    return struct.pack(">I", len(data)) + data


def expect_ok(t, body):
    if t != STATUS or body[:4] != bytes(4):
        raise ClientError(f"unexpected reply {t} {body[:60]!r}")


def put_job(path, data):
    t, b = yield OPEN, string(path) + struct.pack(">II", 0x1A, 0)  # write, create, truncate
    if t != HANDLE:
        raise ClientError(f"open for writing: reply {t} {b[:80]!r}")
    h = b[4:]
    t, b = yield WRITE, string(h) + struct.pack(">Q", 0) + string(data)
    expect_ok(t, b)
    t, b = yield CLOSE, string(h)
    expect_ok(t, b)


def get_job(path, want):
    t, b = yield OPEN, string(path) + struct.pack(">II", 1, 0)
    if t != HANDLE:
        raise ClientError(f"open for reading: reply {t} {b[:80]!r}")
    h, got = b[4:], b""
    while len(got) < len(want):
        t, b = yield READ, string(h) + struct.pack(">QI", len(got), 32768)
        if t != DATA:
            raise ClientError(f"read: reply {t}")
        got += b[4:]
    if got != want:
        raise ClientError("data differs")
    t, b = yield CLOSE, string(h)
    expect_ok(t, b)


def stat_job(path):
    t, b = yield LSTAT, string(path)
    if t != ATTRS:
        raise ClientError(f"lstat: reply {t}")


def run(env, server, jobs, depth=32, extra=(), timeout=120):
    """Runs jobs over one session, `depth` of them in flight."""
    process = ssh_subsystem(env, server, extra)
    try:
        hello(process)
        Session(process, jobs, depth).run(time.monotonic() + timeout)
    finally:
        process.kill()
        process.wait()
        for f in (process.stdin, process.stdout, process.stderr):
            f.close()


class Session:
    def __init__(self, process, jobs, depth):
        self.to, self.back = process.stdin.fileno(), process.stdout.fileno()
        self.jobs, self.depth = iter(jobs), depth
        self.active, self.next_id = {}, 1
        self.out, self.received = bytearray(), bytearray()
        self.is_waiting_to_write = False
        for fd in (self.to, self.back):
            os.set_blocking(fd, False)

    def run(self, deadline):
        with selectors.DefaultSelector() as self.selector:
            self.selector.register(self.back, selectors.EVENT_READ)
            self._start_jobs()
            while self.active:
                if time.monotonic() > deadline:
                    raise ClientError("timed out")
                self._write()
                if self.back in [key.fd for key, _ in self.selector.select(5)]:
                    self._read()
                    self._start_jobs()

    def _start_jobs(self):
        while len(self.active) < self.depth:
            job = next(self.jobs, None)
            if job is None:
                return
            self._send(job, next(job))

    def _send(self, job, request):
        kind, body = request
        self.out += struct.pack(">IBI", len(body) + 5, kind, self.next_id)
        self.out += body
        self.active[self.next_id] = job
        self.next_id += 1

    def _write(self):
        if self.out:
            try:
                del self.out[:os.write(self.to, self.out)]
            except BlockingIOError:
                pass
        if bool(self.out) == self.is_waiting_to_write:
            return
        self.is_waiting_to_write = bool(self.out)
        if self.is_waiting_to_write:
            self.selector.register(self.to, selectors.EVENT_WRITE)
        else:
            self.selector.unregister(self.to)

    def _read(self):
        piece = os.read(self.back, 1 << 18)
        if not piece:
            raise ClientError("connection lost")
        self.received += piece
        at = 0
        while len(self.received) - at >= 4:
            end = at + 4 + struct.unpack_from(">I", self.received, at)[0]
            if len(self.received) < end:
                break
            kind, request = struct.unpack_from(">BI", self.received, at + 4)
            self._answer(request, kind, bytes(self.received[at + 9:end]))
            at = end
        del self.received[:at]

    def _answer(self, request, kind, body):
        job = self.active.pop(request)
        try:
            self._send(job, job.send((kind, body)))
        except StopIteration:
            pass
