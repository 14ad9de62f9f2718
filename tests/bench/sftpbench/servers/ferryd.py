"""ferryd in both forms: the single binary, and control-api with one sftp-node.

Everything is as shipped (SQLite, log to a file, password hashes), but for the ports, the host key
that all servers share, an idle timeout above the length of a run, and all SSH commands switched on.
"""
import json
import os
import secrets
import time
import urllib.error
import urllib.request

from .base import Server, Unavailable, free_port, output_of


class Ferryd(Server):
    password_hash = "argon2id (its default)"
    programs = ()
    has_account = False

    def __init__(self, name, env, folder):
        super().__init__(name, env)
        self.folder = folder

    def prepare(self):
        for program in self.programs:
            if not os.access(self._binary(program), os.X_OK):
                raise Unavailable(f"no {program} in {self.folder}; cargo build --release --workspace")
        self.version = output_of([self._binary(self.programs[-1]), "--version"])
        os.chmod(self.env.host_key, 0o600)
        self.token = secrets.token_hex(16)

    def _binary(self, program):
        return os.path.join(self.folder, program)

    def commands(self):
        with open(os.path.join(self.conf, "ferryd.json"), "w") as f:
            json.dump(self.config(), f, indent=1)
        return [[self._binary(p), "serve", "-c", self.conf, "-f", "ferryd",
                 "-l", os.path.join(self.conf, p + ".log")] for p in self.programs]

    def config(self):
        return {
            "sftpd": {"bind_address": self.listen, "bind_port": self.port, "idle_timeout": 120,
                      "keys": [{"private_key": self.env.host_key}],
                      "enabled_ssh_commands": ["*"]},
            "httpd": {"bind_address": "127.0.0.1", "bind_port": self.http_port},
        }

    def after_start(self):
        if not self.has_account:
            self.add_account(self.user)
            self.has_account = True

    def add_account(self, name):
        account = {"username": name, "password": self.env.password, "status": 1,
                   "home_dir": self.home, "public_keys": [self.env.public_key],
                   "permissions": {"/": ["*"]}}
        if self.env.quota:
            account |= {"quota_size": 1 << 40, "quota_files": 1_000_000}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/api/v1/user", json.dumps(account).encode(),
            {"Content-Type": "application/json"}, method="POST")
        end = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(request, timeout=20).close()
                return
            except urllib.error.HTTPError as e:
                raise Unavailable(f"{self.name}: no account: {e.read()[:300]}") from e
            except OSError as e:
                if time.monotonic() > end:
                    raise Unavailable(f"{self.name}: no REST API: {e}; {self.said()}") from e
                time.sleep(0.05)


class Single(Ferryd):
    programs = ("ferryd",)


class Split(Ferryd):
    programs = ("control-api", "sftp-node")

    def config(self):
        port = free_port()
        return super().config() | {
            "grpc": {"bind_address": "127.0.0.1", "bind_port": port, "node_token": self.token},
            "control_plane": {"url": f"http://127.0.0.1:{port}", "node_token": self.token},
        }


class Node(Split):
    """The same two processes; only those of the node count."""

    def placed(self, argv):
        return super().placed(argv) if argv[0] == self._binary("sftp-node") else argv
