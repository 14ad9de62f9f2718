"""Runs scenarios: every round visits every server, so that a disturbance hits all of them."""
import json
import os
import platform
import shutil
import subprocess
import sys
import time

from . import client, scenarios, servers

FAILURES = (client.ClientError, scenarios.Mismatch, servers.Unavailable, subprocess.SubprocessError,
            OSError)


def say(text):
    print(text, file=sys.stderr)


class Run:
    def __init__(self, ctx, rounds, json_file):
        self.ctx, self.rounds, self.json_file = ctx, rounds, json_file
        self.live, self.results = [], []
        self.meta = {"servers": {}, "sizes": ctx.size, "rounds": rounds,
                     "machine": platform.platform(), "cpus": os.cpu_count(),
                     "accounting": ctx.client_group.kind,
                     "started": time.strftime("%FT%TZ", time.gmtime())}

    def admit(self, server):
        """Starts a server once; one that cannot be measured is left out."""
        try:
            server.prepare()
            server.start()
            algorithms = negotiated(self.ctx.env, server)
            client.login_once(self.ctx.env, server)
            server.stop()
        except FAILURES as e:
            say(f"{server.name}: not measured: {e} {getattr(e, 'stdout', '') or ''}")
            server.close()
            return
        self.live.append(server)
        self.meta["servers"][server.name] = dict(
            version=server.version, password_hash=server.password_hash, **algorithms)
        say(f"{server.name}: {server.version}; {algorithms}")

    def measure(self, wanted):
        for name, scenario, _ in scenarios.ALL:
            if name in wanted:
                for number in range(self.rounds):
                    for server in self.live:
                        self._one(name, scenario, number, server)
                self._save()
                self._clean(name)

    def _one(self, name, scenario, number, server):
        begin = time.monotonic()
        same = dict(scenario=name, server=server.name, round=number)
        try:
            server.start()
            client.login_once(self.ctx.env, server)
            self.results += [dict(r, **same) for r in scenario(self.ctx, server)]
        except FAILURES as e:
            self.results.append(dict(same, name="(failed)", error=str(e)))
            say(f"{name} {server.name}: {e}")
        finally:
            server.stop()
        took = time.monotonic() - begin
        say(f"  {name} round {number + 1}/{self.rounds} {server.name} {took:.1f} s")

    def _save(self):
        if self.json_file:
            with open(self.json_file, "w") as f:
                json.dump(dict(meta=self.meta, notes=self.ctx.notes, results=self.results), f,
                          indent=1)

    def _clean(self, name):
        if name in scenarios.LARGE:
            for server in self.live:
                shutil.rmtree(server.home)
                os.mkdir(server.home)
                server.own(server.home)
            self.ctx.forget_sources()

    def close(self):
        for server in self.live:
            server.close()


def negotiated(env, server):
    """What client and server agree on when both are left alone."""
    options = [o for o in client.options(env) if "LogLevel" not in o]
    p = subprocess.run(["ssh", "-v", *options, "-p", str(server.port), "-s",
                        f"{server.user}@{server.listen}", "sftp"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       env=client.environ(env), timeout=30)
    marks = {"kex": "kex: algorithm:", "host key": "kex: host key algorithm:",
             "cipher": "kex: server->client cipher:", "software": "remote software version"}
    return {name: line.split(mark)[1].strip() for line in p.stderr.splitlines()
            for name, mark in marks.items() if mark in line}
