"""Medians and the table."""
import statistics


def med(xs):
    xs = [x for x in xs if x is not None]
    return statistics.median(xs) if xs else None


def summarize(results):
    """{(scenario, name): {server: summary}} in order of first appearance."""
    out = {}
    for r in results:
        out.setdefault((r["scenario"], r["name"]), {}).setdefault(r["server"], []).append(r)
    table = {}
    for key, servers in out.items():
        row = table[key] = {}
        for server, rs in servers.items():
            ok = [r for r in rs if "error" not in r]
            if not ok:
                row[server] = {"error": rs[0]["error"]}
                continue
            vs = [r["value"] for r in ok]
            row[server] = {
                "unit": ok[0]["unit"], "better": ok[0]["better"], "n": len(ok),
                "failed": len(rs) - len(ok), "value": med(vs), "min": min(vs), "max": max(vs),
                "cpu_unit": ok[0]["cpu_unit"],
                **{k: med([r.get(k) for r in ok]) for k in
                   ("cpu_value", "client_cpu_value", "server_cores", "client_cores", "other_cores",
                    "peak_pss_kib",
                    "peak_rss_kib", "wall_s", "rss_per_session_kib", "first_login_ms")}}
    return table


def num(x):
    if x is None:
        return "-"
    a = abs(x)
    return f"{x:.0f}" if a >= 100 else f"{x:.1f}" if a >= 10 else f"{x:.2f}" if a >= .1 else f"{x:.3f}"


def ratio(x, base):
    return f"{x / base:.2f}" if x is not None and base else "-"


def table(results, baseline="openssh"):
    head = ["scenario", "server", "value", "unit", "x base", "spread", "srv CPU", "CPU unit",
            "x base", "srv cores", "cli cores", "other", "peak PSS MiB", "peak RSS MiB"]
    rows = []
    for (scenario, name), servers in summarize(results).items():
        base = servers.get(baseline, {})
        for server, s in servers.items():
            label = f"{scenario}: {name}"
            if "error" in s:
                rows.append([label, server, "n/a", s["error"].replace("\n", " ")[:60]] + [""] * 10)
                continue
            spread = (s["max"] - s["min"]) / s["value"] * 100 if s["value"] else 0
            rows.append([
                label, server, num(s["value"]), s["unit"], ratio(s["value"], base.get("value")),
                f"{spread:.0f}%" if s["n"] > 1 else "-", num(s["cpu_value"]), s["cpu_unit"],
                ratio(s["cpu_value"], base.get("cpu_value")), num(s["server_cores"]),
                num(s["client_cores"]), num(s["other_cores"]),
                num(s["peak_pss_kib"] / 1024) if s["peak_pss_kib"] else "-",
                num(s["peak_rss_kib"] / 1024)])
    if not rows:
        return "no results"
    w = [max(len(str(r[i])) for r in [head] + rows) for i in range(len(head) - 1)] + [0]
    w[3] = min(w[3], 60)
    out, last = ["  ".join(h.ljust(n) for h, n in zip(head, w)).rstrip()], None
    for r in rows:
        if last is not None and r[0] != last:
            out.append("")
        last = r[0]
        out.append("  ".join(str(x).ljust(n) for x, n in zip(r, w)).rstrip())
    return "\n".join(out)


def markdown(results, server, baseline="openssh"):
    """One server beside the baseline, as a table for a page."""
    out = [f"| scenario | unit | {server} | {baseline} | ratio | CPU unit | {server} | {baseline} | ratio |",
           "| --- | --- | --: | --: | --: | --- | --: | --: | --: |"]
    for (scenario, name), servers in summarize(results).items():
        ours, base = servers.get(server), servers.get(baseline, {})
        if not ours or "error" in ours:
            continue
        cells = [f"{scenario}: {name}", ours["unit"], num(ours["value"]), num(base.get("value")),
                 ratio(ours["value"], base.get("value")), ours["cpu_unit"], num(ours["cpu_value"]),
                 num(base.get("cpu_value")), ratio(ours["cpu_value"], base.get("cpu_value"))]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)
