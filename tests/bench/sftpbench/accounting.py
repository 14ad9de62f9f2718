"""CPU and memory accounting for the server and the client process trees.

CPU: every server is started inside its own control group, so the kernel sums the CPU time of all
its processes, including short-lived ones that already exited (OpenSSH forks several processes per
connection).  A cgroup v2 mount is preferred (`cpu.stat`), then the v1 `cpuacct` controller.  Where
neither is writable we fall back to adding up /proc/PID/stat of the process tree including the
`cutime`/`cstime` fields (children that were waited for); that is right for servers which reap
their children, but is sampled in clock ticks.

Memory: the sum over the processes of the group of RSS and of PSS (proportional set size).  PSS
counts a page shared by n processes as 1/n, so it is the fair figure for servers that fork.
"""
import os
import resource
import threading
import time

PAGE_KIB = resource.getpagesize() // 1024
TICK = os.sysconf("SC_CLK_TCK")


def _mounts():
    with open("/proc/mounts") as f:
        for line in f:
            p = line.split()
            yield p[1], p[2], p[3].split(",")


def _candidates():
    ms = list(_mounts())
    for mnt, fstype, _ in ms:
        if fstype == "cgroup2":
            yield mnt, "v2"
    for mnt, fstype, opts in ms:
        if fstype == "cgroup" and "cpuacct" in opts:
            yield mnt, "v1"


class Group:
    """One control group (or its /proc based stand-in)."""

    def __init__(self, tag):
        self.path = None
        self.kind = "proc"
        self.roots = []
        for mnt, kind in _candidates():
            path = os.path.join(mnt, f"sftpbench-{os.getpid()}-{tag}")
            try:
                os.mkdir(path)
            except OSError:
                continue
            if kind == "v2" and not os.path.exists(path + "/cpu.stat"):
                os.rmdir(path)
                continue
            self.path, self.kind = path, kind
            break

    def wrap(self, argv):
        """Command line that enters the group and then becomes argv."""
        if not self.path:
            return argv
        return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path] + argv

    def enter(self):
        if self.path:
            with open(self.path + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def leave(self):
        if self.path:
            with open(os.path.dirname(self.path) + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def pids(self):
        if self.path:
            try:
                with open(self.path + "/cgroup.procs") as f:
                    return [int(x) for x in f.read().split()]
            except OSError:
                return []
        return [pid for root in self.roots for pid in _tree(root)]

    def cpu(self):
        """CPU seconds (user + system) used by the group so far."""
        if self.kind == "v2":
            with open(self.path + "/cpu.stat") as f:
                for line in f:
                    if line.startswith("usage_usec"):
                        return int(line.split()[1]) / 1e6
        if self.kind == "v1":
            with open(self.path + "/cpuacct.usage") as f:
                return int(f.read()) / 1e9
        return sum(_stat_cpu(p, True) for p in self.pids())

    def close(self):
        if self.path:
            for _ in range(50):
                try:
                    os.rmdir(self.path)
                    break
                except OSError:
                    time.sleep(0.05)


def _stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        s = f.read()
    name = s[s.index("(") + 1:s.rindex(")")]
    return name, s[s.rindex(")") + 2:].split()


def _stat_cpu(pid, children=False):
    try:
        _, f = _stat(pid)
    except OSError:
        return 0.0
    t = int(f[11]) + int(f[12])
    if children:
        t += int(f[13]) + int(f[14])
    return t / TICK


def _tree(root):
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                _, f = _stat(int(d))
                kids.setdefault(int(f[1]), []).append(int(d))
            except OSError:
                pass
    out, todo = [], [root]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


def rss_kib(pid):
    try:
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * PAGE_KIB
    except (OSError, IndexError):
        return 0


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def memory(group):
    """(number of processes, sum RSS KiB, sum PSS KiB)."""
    pids = group.pids()
    return len(pids), sum(map(rss_kib, pids)), sum(map(pss_kib, pids))


def system_busy():
    """CPU seconds that all CPUs together were not idle."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / TICK  # all but idle and iowait


class Measure:
    """Context manager: wall time, CPU of both sides, peak memory of the server."""

    MAX_PSS_PROCS = 48

    def __init__(self, server_group, client_group, interval=0.1):
        self.sg, self.cg, self.interval = server_group, client_group, interval
        self.peak_rss = self.peak_pss = 0
        self.client_procs = {}

    def _sample(self):
        pids = self.sg.pids()
        self.peak_rss = max(self.peak_rss, sum(map(rss_kib, pids)))
        if len(pids) <= self.MAX_PSS_PROCS:
            self.peak_pss = max(self.peak_pss, sum(map(pss_kib, pids)))
        if self.cg.path and self._client_sampling:
            me = os.getpid()
            cp = self.cg.pids()
            if len(cp) <= 8:
                for p in cp:
                    if p != me:
                        try:
                            name, f = _stat(p)
                            self.client_procs[(p, name)] = (int(f[11]) + int(f[12])) / TICK
                        except OSError:
                            pass

    def _run(self):
        while not self._stop.wait(self.interval):
            self._sample()

    def __enter__(self):
        self._client_sampling = True
        self._stop = threading.Event()
        self._sample()
        self._t = threading.Thread(target=self._run, daemon=True)
        self.s0, self.c0 = self.sg.cpu(), self.cg.cpu() if self.cg.path else 0.0
        self.h0, self.b0 = time.process_time(), system_busy()
        self._t.start()
        self.t0 = time.monotonic()
        return self

    def stop_clock(self):
        if not hasattr(self, "wall"):
            self.wall = time.monotonic() - self.t0

    def __exit__(self, *exc):
        self.stop_clock()
        c1 = self.cg.cpu() if self.cg.path else 0.0
        h1, s1, b1 = time.process_time(), self.sg.cpu(), system_busy()
        self._stop.set()
        self._t.join()
        if exc[0] is None:
            time.sleep(0.15)  # let per-connection server processes finish
        self.server_cpu = self.sg.cpu() - self.s0
        self.harness_cpu = h1 - self.h0
        self.client_cpu = max(0.0, c1 - self.c0 - self.harness_cpu)
        ours = s1 - self.s0 + max(self.harness_cpu, c1 - self.c0)
        self.other_cpu = max(0.0, b1 - self.b0 - ours)
        return False

    def record(self):
        by_name = {}
        for (_, name), t in self.client_procs.items():
            by_name[name] = max(by_name.get(name, 0.0), t)
        return {
            "wall_s": self.wall,
            "server_cpu_s": self.server_cpu,
            "client_cpu_s": self.client_cpu,
            "harness_cpu_s": self.harness_cpu,
            "server_cores": self.server_cpu / self.wall,
            "client_cores": self.client_cpu / self.wall,
            "other_cores": self.other_cpu / self.wall,
            "peak_rss_kib": self.peak_rss,
            "peak_pss_kib": self.peak_pss or None,
            "client_process_cpu_s": by_name,
        }


def selftest():
    """Check the group accounting against rusage of processes that exit before we look."""
    import subprocess
    import sys
    g = Group("selftest")
    code = ("import os,time,resource,sys\n"
            "def burn(s):\n"
            "    t=time.process_time()\n"
            "    while time.process_time()-t<s: pass\n"
            "for i in range(3):\n"
            "    if os.fork()==0:\n"
            "        if os.fork()==0:\n"
            "            burn(.3); os._exit(0)\n"
            "        os.wait(); burn(.2); os._exit(0)\n"
            "for i in range(3): os.wait()\n"
            "burn(.5)\n"
            "a=resource.getrusage(resource.RUSAGE_SELF); b=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(a.ru_utime+a.ru_stime+b.ru_utime+b.ru_stime)\n")
    before = g.cpu()
    p = subprocess.run(g.wrap([sys.executable, "-c", code]), capture_output=True, text=True)
    got = g.cpu() - before
    want = float(p.stdout)
    g.close()
    print(f"accounting: {g.kind}; processes report {want:.3f} s, group reports {got:.3f} s, "
          f"difference {100 * (got - want) / want:+.1f} %")
    return abs(got - want) / want < 0.05
