"""The scenarios.  Each is a generator: (ctx, server) -> records {name, unit, value, ...}.
Every transferred file is compared byte for byte with its source outside the measured time."""
import concurrent.futures
import filecmp
import os
import shutil
import subprocess
import time

from . import client, pipelined
from .accounting import memory
from .latency import Netem, Relay

MIB = 1 << 20
GIB = 1 << 30

FULL = dict(bulk=1024 * MIB, small_n=2000, small_size=4096, par_n=16, par_size=64 * MIB,
            logins=200, lanes=4, pw_logins=100, idle=500, ls_n=20000, ls_rep=5, lat=64 * MIB,
            tools=256 * MIB, stats=20000, ciphers=list(client.CIPHERS))
QUICK = dict(bulk=128 * MIB, small_n=300, small_size=4096, par_n=8, par_size=8 * MIB,
             logins=40, lanes=4, pw_logins=12, idle=60, ls_n=4000, ls_rep=2, lat=16 * MIB,
             tools=64 * MIB, stats=4000, ciphers=["aes128gcm", "default"])


class Mismatch(Exception):
    pass


def same(a, b):
    if not os.path.exists(b):
        raise Mismatch(f"{b} was not written")
    if not filecmp.cmp(a, b, shallow=False):
        raise Mismatch(f"{b} differs from its source")


def same_tree(a, b):
    want = sorted(os.listdir(a))
    got = sorted(os.listdir(b))
    if want != got:
        raise Mismatch(f"{b}: {len(got)} names instead of {len(want)}")
    for n in want:
        same(os.path.join(a, n), os.path.join(b, n))


def rm(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def by_bytes(name, m, nbytes, **extra):
    r = m.record()
    r.update(name=name, unit="MB/s", value=nbytes / m.wall / 1e6, bytes=nbytes, better="high",
             cpu_unit="s/GiB", cpu_value=m.server_cpu / (nbytes / GIB),
             client_cpu_value=m.client_cpu / (nbytes / GIB), **extra)
    return r


def by_ops(name, m, ops, unit, **extra):
    r = m.record()
    r.update(name=name, unit=unit, value=ops / m.wall, ops=ops, better="high", cpu_unit="ms/op",
             cpu_value=1e3 * m.server_cpu / ops, client_cpu_value=1e3 * m.client_cpu / ops, **extra)
    return r


def _link(ctx, server, src, name):
    """Make a source file visible in the server's home without copying it."""
    dst = os.path.join(server.home, name)
    if not os.path.exists(dst):
        os.link(src, dst)


def bulk(ctx, server):
    src = ctx.file("bulk", ctx.size["bulk"])
    _link(ctx, server, src, "bulk.bin")
    dl, up = os.path.join(ctx.work, "dl.bin"), os.path.join(server.home, "up.bin")
    for c in ctx.size["ciphers"]:
        extra = client.CIPHERS[c]
        try:
            rm(dl)
            with ctx.measure(server) as m:
                client.sftp(ctx.env, server, f"get bulk.bin {dl}\n", extra)
            same(src, dl)
            yield by_bytes(f"get {c}", m, ctx.size["bulk"])
            rm(dl)
            rm(up)
            with ctx.measure(server) as m:
                client.sftp(ctx.env, server, f"put {src} up.bin\n", extra)
            same(src, up)
            yield by_bytes(f"put {c}", m, ctx.size["bulk"])
        except client.ClientError as e:
            yield dict(name=f"get {c}", error=str(e))
            yield dict(name=f"put {c}", error=str(e))
        finally:
            rm(dl)
            rm(up)


def small(ctx, server):
    n = ctx.size["small_n"]
    src = ctx.tree("small", n, ctx.size["small_size"])
    up, dl, rsrc = (os.path.join(server.home, "small-up"), os.path.join(ctx.work, "small-dl"),
                    os.path.join(server.home, "small-src"))
    for p in (up, dl, rsrc):
        rm(p)
    shutil.copytree(src, rsrc)
    server.own(rsrc)
    inner = os.path.join(up, os.path.basename(src))
    os.makedirs(inner)  # some servers cannot resolve a path that does not exist yet
    server.own(up)
    with ctx.measure(server) as m:
        client.sftp(ctx.env, server, f"put -r {src} small-up\n")
    same_tree(src, inner)
    yield by_ops("put -r", m, n, "files/s")
    with ctx.measure(server) as m:
        client.sftp(ctx.env, server, f"get -r small-src {dl}\n")
    same_tree(src, dl)
    yield by_ops("get -r", m, n, "files/s")
    rm(up)
    rm(dl)
    # the same files with 32 requests in flight on one session
    os.mkdir(up)
    server.own(up)
    data = {x: open(os.path.join(src, x), "rb").read() for x in os.listdir(src)}
    with ctx.measure(server) as m:
        pipelined.run(ctx.env, server,
                      (pipelined.put_job(f"small-up/{k}".encode(), v) for k, v in data.items()))
    same_tree(src, up)
    yield by_ops("put 32 in flight", m, n, "files/s")
    with ctx.measure(server) as m:
        pipelined.run(ctx.env, server,
                      (pipelined.get_job(f"small-src/{k}".encode(), v) for k, v in data.items()))
    yield by_ops("get 32 in flight", m, n, "files/s")
    names = list(data)
    k = ctx.size["stats"]
    with ctx.measure(server) as m:
        pipelined.run(ctx.env, server, (pipelined.stat_job(f"small-src/{names[i % n]}".encode())
                                        for i in range(k)))
    yield by_ops("lstat 32 in flight", m, k, "ops/s")
    rm(up)


def parallel(ctx, server):
    n, size = ctx.size["par_n"], ctx.size["par_size"]
    src = ctx.file("par", size)
    _link(ctx, server, src, "par.bin")
    dls = [os.path.join(ctx.work, f"par-dl{i}") for i in range(n)]
    with ctx.measure(server) as m:
        client.sftp_many(ctx.env, server, [f"get par.bin {dls[i]}\nput {src} par-up{i}\n"
                                           for i in range(n)])
    for i in range(n):
        same(src, dls[i])
        same(src, os.path.join(server.home, f"par-up{i}"))
        rm(dls[i])
        rm(os.path.join(server.home, f"par-up{i}"))
    yield by_bytes(f"{n} sessions get+put", m, 2 * n * size)


def _logins(ctx, server, n, password, lanes):
    times = []

    def lane(k):
        for _ in range(k):
            t = time.monotonic()
            client.login_once(ctx.env, server, client.FIXED_KEX, password)
            times.append(time.monotonic() - t)

    with ctx.measure(server) as m:
        with concurrent.futures.ThreadPoolExecutor(lanes) as ex:
            for f in [ex.submit(lane, n // lanes) for _ in range(lanes)]:
                f.result()
    return m, n // lanes * lanes, 1e3 * sorted(times)[len(times) // 2]


def login_key(ctx, server):
    for lanes in (ctx.size["lanes"], 4 * ctx.size["lanes"]):
        m, n, p50 = _logins(ctx, server, ctx.size["logins"], False, lanes)
        yield by_ops(f"ed25519 key, {lanes} lanes", m, n, "logins/s", p50_ms=p50)


def login_password(ctx, server):
    t = time.monotonic()
    client.login_once(ctx.env, server, client.FIXED_KEX, True)
    first = 1e3 * (time.monotonic() - t)
    m, n, p50 = _logins(ctx, server, ctx.size["pw_logins"], True, ctx.size["lanes"])
    yield by_ops("password", m, n, "logins/s", hash=server.password_hash, first_login_ms=first,
                 p50_ms=p50)


def idle(ctx, server):
    n = ctx.size["idle"]
    p0, r0, s0 = memory(server.group)
    ps = []

    def one(_):
        p = client.ssh_subsystem(ctx.env, server, client.FIXED_KEX)
        ps.append(p)
        client.hello(p)

    try:
        with ctx.measure(server) as m:
            with concurrent.futures.ThreadPoolExecutor(6) as ex:
                list(ex.map(one, range(n)))
        time.sleep(2)
        p1, r1, s1 = memory(server.group)
        if any(p.poll() is not None for p in ps):
            raise client.ClientError("a session was closed while idle")
    finally:
        for p in ps:
            try:
                p.stdin.close()
            except OSError:
                pass
        for p in ps:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            p.stdout.close()
            p.stderr.close()
    r = m.record()
    r.update(name=f"{n} idle sessions", unit="KiB PSS/session", value=(s1 - s0) / n, better="low",
             rss_per_session_kib=(r1 - r0) / n, processes_per_session=(p1 - p0) / n,
             base_pss_kib=s0, base_rss_kib=r0, peak_pss_kib=s1, peak_rss_kib=r1,
             cpu_unit="ms/op", cpu_value=1e3 * m.server_cpu / n,
             client_cpu_value=1e3 * m.client_cpu / n)
    yield r


def listing(ctx, server):
    n, rep = ctx.size["ls_n"], ctx.size["ls_rep"]
    d = os.path.join(server.home, "many")
    if not os.path.isdir(d):
        os.mkdir(d)
        for i in range(n):
            open(os.path.join(d, f"file-{i:06d}.dat"), "w").close()
        server.own(d)
    out = os.path.join(ctx.work, "ls.out")
    with open(out, "w") as f, ctx.measure(server) as m:
        client.sftp(ctx.env, server, "ls -l many\n" * rep, out=f)
    with open(out) as f:
        got = sum(1 for x in f if x.rstrip().endswith(".dat"))
    if got != n * rep:
        raise Mismatch(f"ls printed {got} names instead of {n * rep}")
    r = by_ops(f"ls -l, {n} entries", m, n * rep, "entries/s")
    r.update(cpu_unit="us/entry", cpu_value=r["cpu_value"] * 1e3,
             client_cpu_value=r["client_cpu_value"] * 1e3)
    yield r


def latency(ctx, server):
    size = ctx.size["lat"]
    src = ctx.file("lat", size)
    _link(ctx, server, src, "lat.bin")
    dl, up = os.path.join(ctx.work, "lat-dl"), os.path.join(server.home, "lat-up")
    net = relay = None
    try:
        try:
            net = Netem(ctx.delay_ms)
            server.stop()
            server.start(listen=net.host)
            kw = dict(prefix=net.prefix)
        except RuntimeError as e:
            ctx.note(f"high latency: {e}; a user-space delay relay is used instead")
            relay = Relay(server.port, ctx.delay_ms)
            kw = dict(port=relay.port)
        how = "netem" if net else "relay"
        with ctx.measure(server) as m:
            client.sftp(ctx.env, server, f"get lat.bin {dl}\n", **kw)
        same(src, dl)
        yield by_bytes(f"get, {2 * ctx.delay_ms} ms RTT", m, size, link=how)
        with ctx.measure(server) as m:
            client.sftp(ctx.env, server, f"put {src} lat-up\n", **kw)
        same(src, up)
        yield by_bytes(f"put, {2 * ctx.delay_ms} ms RTT", m, size, link=how)
    finally:
        rm(dl)
        rm(up)
        if relay:
            relay.close()
        if net:
            server.stop()
            server.start()
            net.close()


def _tool(ctx, argv):
    p = subprocess.run(argv, capture_output=True, text=True, timeout=300,
                       env=client.environ(ctx.env))
    if p.returncode:
        raise client.ClientError(f"{argv[0]} failed ({p.returncode}): {p.stderr.strip()[-300:]}")


def tools(ctx, server):
    size = ctx.size["tools"]
    src = ctx.file("tools", size)
    _link(ctx, server, src, "tools.bin")
    dl, up = os.path.join(ctx.work, "tools-dl"), os.path.join(server.home, "tools-up")
    opts = client.options(ctx.env)
    host = f"{server.user}@{server.listen}"
    scp = ["scp", "-O", "-q", *opts, "-P", str(server.port)]
    rsh = " ".join(["ssh", *opts, "-p", str(server.port)])
    rsync = ["rsync", "--whole-file", "-e", rsh]
    for name, get, put in (
            ("scp -O", scp + [host + ":tools.bin", dl], scp + [src, host + ":tools-up"]),
            ("rsync", rsync + [host + ":tools.bin", dl], rsync + [src, host + ":tools-up"])):
        if not shutil.which(get[0]):
            continue
        for what, argv, dst in (("get", get, dl), ("put", put, up)):
            rm(dst)
            try:
                with ctx.measure(server) as m:
                    _tool(ctx, argv)
                same(src, dst)
                yield by_bytes(f"{name} {what}", m, size)
            except (client.ClientError, Mismatch) as e:
                yield dict(name=f"{name} {what}", error=str(e))
            finally:
                rm(dst)


# These leave much in the home.
LARGE = ("bulk", "parallel", "tools", "latency", "ls")

ALL = [("bulk", bulk, "one file, OpenSSH sftp client, per cipher"),
       ("small", small, "many small files: sequential client and 32 requests in flight"),
       ("parallel", parallel, "parallel sessions, each a download then an upload"),
       ("login-key", login_key, "connect + key login + open SFTP + close, 4 lanes"),
       ("login-password", login_password, "the same with a password"),
       ("idle", idle, "memory of idle SFTP sessions"),
       ("ls", listing, "listing a large directory"),
       ("latency", latency, "bulk transfer over a slow link"),
       ("tools", tools, "scp (legacy protocol) and rsync over SSH")]
