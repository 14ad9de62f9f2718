"""What all servers of a run share: keys, password, source files, sizes."""
import os
import shutil
import subprocess
import sys

from . import accounting


class Env:
    """Work folder, user key, host key, password."""

    def __init__(self, work):
        self.work, self.password, self.quota = work, "correct-horse-7", False
        self.key, self.host_key = f"{work}/id_user", f"{work}/id_host"
        for key in (self.key, self.host_key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key],
                           check=True)
        with open(self.key + ".pub") as f:
            self.public_key = f.read().strip()
        self.authorized_keys = f"{work}/authorized_keys"
        shutil.copy(self.key + ".pub", self.authorized_keys)
        self.askpass = f"{work}/askpass"
        with open(self.askpass, "w") as f:
            f.write(f"#!/bin/sh\necho '{self.password}'\n")
        os.chmod(self.askpass, 0o700)


class Context:
    """What a scenario is given beside the server."""

    def __init__(self, env, size, delay_ms, client_group):
        self.env, self.work, self.size, self.delay_ms = env, env.work, size, delay_ms
        self.client_group, self.notes = client_group, []

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print("note: " + text, file=sys.stderr)

    def measure(self, server):
        return accounting.Measure(server.group, self.client_group)

    def file(self, name, size):
        """A source file of random bytes."""
        path = f"{self.work}/src-{name}"
        if not os.path.exists(path):
            with open(path, "wb") as f:
                for at in range(0, size, 16 << 20):
                    f.write(os.urandom(min(size - at, 16 << 20)))
        return path

    def tree(self, name, count, size):
        """A folder of source files."""
        folder = f"{self.work}/src-{name}"
        if not os.path.isdir(folder):
            os.mkdir(folder)
            for i in range(count):
                with open(f"{folder}/f{i:05d}", "wb") as f:
                    f.write(os.urandom(size))
        return folder

    def forget_sources(self):
        """Frees the memory behind tmpfs."""
        for name in os.listdir(self.work):
            path = os.path.join(self.work, name)
            if name.startswith("src-"):
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
