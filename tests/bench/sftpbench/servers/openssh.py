"""The peer that everything is compared with: the system's sshd with internal-sftp, no PAM, no
chroot, and a system account that is made for the run."""
import os
import pwd
import re
import shutil
import subprocess

from .base import SYSTEM_USER, Server, Unavailable, output_of


class OpenSSH(Server):
    password_hash = "sha512crypt, 5000 rounds (shadow)"
    made_user = False

    def prepare(self):
        self.sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        if not os.path.exists(self.sshd):
            raise Unavailable("sshd is not installed")
        if os.geteuid():
            raise Unavailable("sshd needs root")
        os.makedirs("/run/sshd", exist_ok=True)
        self.version = output_of(["ssh", "-V"])
        self._make_user()
        self.uid = pwd.getpwnam(SYSTEM_USER).pw_uid
        os.chown(self.home, self.uid, -1)

    def _make_user(self):
        try:
            pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            output_of(["useradd", "-M", "-N", "-s", "/bin/sh", "-d", self.home, SYSTEM_USER])
            self.made_user = True
        crypted = output_of(["openssl", "passwd", "-6", self.env.password])
        output_of(["usermod", "-d", self.home, "-p", crypted, SYSTEM_USER])

    def commands(self):
        lines = [f"ListenAddress {self.listen}:{self.port}", f"HostKey {self.env.host_key}",
                 f"AuthorizedKeysFile {self.env.authorized_keys}", f"PidFile {self.conf}/pid",
                 "UsePAM no", "UseDNS no", "StrictModes no", "PasswordAuthentication yes",
                 "KbdInteractiveAuthentication no", f"AllowUsers {SYSTEM_USER}",
                 "MaxStartups 2000", "MaxSessions 100", "LogLevel ERROR", "PrintMotd no",
                 "Subsystem sftp internal-sftp"]
        found = re.search(r"OpenSSH_(\d+)\.(\d+)", self.version)
        if found and (int(found[1]), int(found[2])) >= (9, 8):
            lines.append("PerSourcePenalties no")
        path = os.path.join(self.conf, "sshd_config")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return [[self.sshd, "-D", "-e", "-f", path]]

    def own(self, path):
        for folder, _, files in os.walk(path):
            for x in [folder, *(os.path.join(folder, f) for f in files)]:
                os.chown(x, self.uid, -1)

    def close(self):
        super().close()
        if self.made_user:
            subprocess.run(["userdel", SYSTEM_USER], capture_output=True)
