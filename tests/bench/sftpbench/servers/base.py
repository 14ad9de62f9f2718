"""What every server has in common: a private folder, a control group, a start and an end.

`prepare` is called once, `commands` each time the server is started; it returns the command lines
of its processes in the order of their start.
"""
import os
import signal
import socket
import subprocess
import time

from ..accounting import Group

SYSTEM_USER = "sftpbench"
START, END = 60, 5


class Unavailable(Exception):
    """The server cannot be measured here; the text says why."""


def output_of(argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options).stdout.strip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    password_hash = "?"
    version = ""

    def __init__(self, name, env):
        self.name, self.env, self.user = name, env, SYSTEM_USER
        self.dir = os.path.join(env.work, "srv-" + name)
        self.home, self.conf = os.path.join(self.dir, "home"), os.path.join(self.dir, "conf")
        os.makedirs(self.home)
        os.makedirs(self.conf)
        self.group = Group(name)
        self.processes, self.listen, self.port, self.http_port = [], "127.0.0.1", 0, 0

    def prepare(self):
        """Called once before the first start."""

    def commands(self):
        raise NotImplementedError

    def after_start(self):
        """Called after each start."""

    def placed(self, argv):
        """The command line that starts a process where its CPU and memory are counted."""
        return self.group.wrap(argv)

    def own(self, path):
        """Gives a tree in the home to whoever the server writes as."""

    def start(self, listen="127.0.0.1"):
        self.listen = listen
        self.port, self.http_port = free_port(), free_port()
        with open(os.path.join(self.conf, "server.out"), "ab") as out:
            for argv in self.commands():
                self.processes.append(subprocess.Popen(
                    self.placed(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    cwd=self.conf, start_new_session=True))
        self.group.roots = [p.pid for p in self.processes]
        self._wait_for_banner()
        self.after_start()

    def _wait_for_banner(self):
        end = time.monotonic() + START
        while time.monotonic() < end:
            for p in self.processes:
                if p.poll() is not None:
                    raise Unavailable(f"{self.name} exited with {p.returncode}: {self.said()}")
            if self._has_banner():
                return
            time.sleep(0.05)
        raise Unavailable(f"{self.name} does not answer on port {self.port}: {self.said()}")

    def _has_banner(self):
        try:
            with socket.create_connection((self.listen, self.port), timeout=2) as s:
                s.settimeout(5)
                return s.recv(4) == b"SSH-"
        except OSError:
            return False

    def said(self):
        """The end of what the server has written."""
        with open(os.path.join(self.conf, "server.out"), errors="replace") as f:
            return f.read()[-600:]

    def stop(self):
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
        end = time.monotonic() + END
        while time.monotonic() < end and any(p.poll() is None for p in self.processes):
            time.sleep(0.01)
        self._kill_what_is_left()
        self.processes = []

    def _kill_what_is_left(self):
        for _ in range(40):
            left = self.group.pids() if self.group.path and self.processes else []
            if not left and all(p.poll() is not None for p in self.processes):
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for p in self.processes:
                if p.poll() is None:
                    p.kill()
            time.sleep(0.05)

    def close(self):
        self.stop()
        self.group.close()
