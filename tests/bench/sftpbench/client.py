"""Running the client tools of OpenSSH."""
import os
import struct
import subprocess
import time

CIPHERS = {
    "aes128gcm": ["-oCiphers=aes128-gcm@openssh.com"],
    "aes256ctr-etm": ["-oCiphers=aes256-ctr", "-oMACs=hmac-sha2-256-etm@openssh.com"],
    "chacha20": ["-oCiphers=chacha20-poly1305@openssh.com"],
    "default": [],
}
FIXED_KEX = ["-oKexAlgorithms=curve25519-sha256,curve25519-sha256@libssh.org"]


class ClientError(Exception):
    pass


def options(env, password=False):
    o = ["-F/dev/null", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
         "-oGlobalKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-oCompression=no",
         "-oControlMaster=no", "-oControlPath=none", "-oForwardAgent=no",
         "-oGSSAPIAuthentication=no", "-oConnectTimeout=30"]
    if password:
        o += ["-oPreferredAuthentications=password", "-oPubkeyAuthentication=no",
              "-oNumberOfPasswordPrompts=1"]
    else:
        o += ["-oPreferredAuthentications=publickey", "-oIdentitiesOnly=yes", "-oBatchMode=yes",
              f"-oIdentityFile={env.key}"]
    return o


def environ(env, password=False):
    e = {k: v for k, v in os.environ.items() if k not in ("SSH_AUTH_SOCK", "DISPLAY")}
    if password:
        e.update(SSH_ASKPASS=env.askpass, SSH_ASKPASS_REQUIRE="force")
    return e


def sftp_argv(env, server, extra=(), port=None, host=None, password=False):
    return ["sftp", "-q", *options(env, password), *extra, "-P", str(port or server.port),
            "-b", "-", f"{server.user}@{host or server.listen}"]


def sftp(env, server, batch, extra=(), port=None, host=None, timeout=300, out=None, prefix=()):
    """Runs one sftp batch; raises ClientError on failure."""
    p = subprocess.run([*prefix, *sftp_argv(env, server, extra, port, host)], input=batch,
                       text=True, stdout=out or subprocess.PIPE, stderr=subprocess.PIPE,
                       env=environ(env), timeout=timeout)
    if p.returncode:
        raise ClientError(f"sftp to {server.name} failed ({p.returncode}): {p.stderr.strip()[-300:]}")
    return p.stdout


def sftp_many(env, server, batches, extra=(), timeout=300):
    ps = []
    for b in batches:
        p = subprocess.Popen(sftp_argv(env, server, extra), stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ(env))
        p.stdin.write(b)
        p.stdin.close()
        p.stdin = None
        ps.append(p)
    end = time.monotonic() + timeout
    err = None
    for p in ps:
        try:
            _, e = p.communicate(timeout=max(1, end - time.monotonic()))
            if p.returncode:
                err = e.strip()[-300:] or f"exit status {p.returncode}"
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            err = "timed out"
    if err:
        raise ClientError(f"sftp to {server.name} failed: {err}")


def ssh_subsystem(env, server, extra=(), password=False, port=None, host=None):
    return subprocess.Popen(
        ["ssh", *options(env, password), *extra, "-p", str(port or server.port), "-s",
         f"{server.user}@{host or server.listen}", "sftp"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        env=environ(env, password))


INIT = struct.pack(">IBI", 5, 1, 3)


def read_exact(f, n):
    out = b""
    while len(out) < n:
        x = f.read(n - len(out))
        if not x:
            return None
        out += x
    return out


def hello(p):
    """Sends INIT and waits for VERSION: proves that the login and the subsystem work."""
    p.stdin.write(INIT)
    head = read_exact(p.stdout, 4)
    if head is None:
        raise ClientError("login failed: " + p.stderr.read().decode(errors="replace")[-300:])
    body = read_exact(p.stdout, struct.unpack(">I", head)[0])
    if body is None or body[0] != 2:
        raise ClientError("no SFTP version reply")


def login_once(env, server, extra=(), password=False):
    p = ssh_subsystem(env, server, extra, password)
    try:
        hello(p)
        p.stdin.close()
        p.stdout.read()
        p.wait(20)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
        p.stdout.close()
        p.stderr.close()
