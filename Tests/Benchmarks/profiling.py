"""Where the time of one commit and of one `cat` goes: processor time, context switches, system calls and code of the server."""

import collections
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import operations as ops
from drive import OPERATIONS
from measuring import table, title
from systems import HERE

TICK = 1e6 / os.sysconf("SC_CLK_TCK")
# Calls in which a thread may only be waiting for another or for work.
WAITING = {"futex", "poll", "ppoll", "epoll_wait", "epoll_pwait", "read", "readv", "nanosleep", "clock_nanosleep", "select",
           "pselect6", "wait4", "flock", "splice", "restart_syscall"}


def server_usage(process):
    """µs of user and of system time, and context switches of all threads, so far."""
    with open(f"/proc/{process}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    switches = 0
    for thread in os.listdir(f"/proc/{process}/task"):
        try:
            with open(f"/proc/{process}/task/{thread}/status", encoding="utf-8", errors="replace") as status:
                switches += sum(int(count) for count in re.findall(r"ctxt_switches:\s*(\d+)", status.read()))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return int(fields[11]) * TICK, int(fields[12]) * TICK, switches


def client_usage():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime * 1e6, usage.ru_stime * 1e6, usage.ru_nvcsw + usage.ru_nivcsw


def prepared(system):
    """The file that is written or read over and over."""
    path = os.path.join(ops.folder(system.directory, "one"), "profiled")
    ops.write_file(path)
    return path


def usage(systems, counts):
    title("Per operation: elapsed and processor time in µs, context switches, by program and by file system process")
    rows = []
    for name, count in counts.items():
        for system in systems:
            if not system.mount_point or (system.name == "empty" and name != "cat"):
                continue
            path = ops.hot_file(system.directory) if system.name == "empty" else prepared(system)
            OPERATIONS[name](path, 50)
            server = system.server
            before = server_usage(server) + client_usage()
            start = time.perf_counter_ns()
            OPERATIONS[name](path, count)
            elapsed = (time.perf_counter_ns() - start) / 1000 / count
            # What a file system does on its own soon after is part of the price.
            time.sleep(1.5)
            each = [(after - old) / count for old, after in zip(before, server_usage(server) + client_usage())]
            rows.append([f"{name}, {system.name}", f"{count}", elapsed] + each[:2] + [each[2]] + each[3:])
    table(["", "count", "elapsed", "fs user", "fs system", "fs switches", "user", "system", "switches"], rows)


def drive(name, path, count):
    return [sys.executable, os.path.join(HERE, "drive.py"), name, path, str(count)]


def traced_by_perf(bench, server, name, path, count):
    """{system call: (calls, ms)} of the server during `count` operations; None if perf cannot."""
    if not shutil.which("perf"):
        return None
    done = subprocess.run(["perf", "trace", "-s", "-p", str(server), "--", *drive(name, path, count)],
                          capture_output=True, text=True, check=False)
    calls = collections.defaultdict(lambda: (0, 0.0))
    for call, number, total in re.findall(r"^ +(\w+) +(\d+) +\d+ +([\d.]+) ", done.stdout + done.stderr, re.MULTILINE):
        calls[call] = (calls[call][0] + int(number), calls[call][1] + float(total))
    return dict(calls) or None


def traced_by_strace(bench, server, name, path, count):
    """The same, of strace, which slows the server down several times over; None if it cannot either."""
    if not shutil.which("strace"):
        return None
    trace = bench.path("strace")
    with subprocess.Popen(["strace", "-f", "-T", "-o", trace, "-p", str(server)], stderr=subprocess.PIPE, text=True) as strace:
        attached = "attached" in strace.stderr.readline()
        if attached:
            OPERATIONS[name](path, count)
            strace.send_signal(signal.SIGINT)
        strace.stderr.read()
    if not attached:
        return None
    calls = collections.defaultdict(lambda: (0, 0.0))
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if found := re.match(r"\d+ +(?:<\.\.\. )?(\w+).* <([\d.]+)>$", line):
                call, seconds = found.groups()
                calls[call] = (calls[call][0] + 1, calls[call][1] + float(seconds) * 1000)
    return dict(calls)


def system_calls(bench, system, name, count):
    path, server = prepared(system), system.server
    for tool, trace in (("perf trace", traced_by_perf), ("strace", traced_by_strace)):
        if calls := trace(bench, server, name, path, count):
            break
    else:
        print(f"System calls of one {name}: neither perf nor strace may trace the process here (root may).\n")
        return
    title(f"System calls of one {name} by the process of polykey (of {count}, {tool}, which adds to each)")
    rows = []
    for call, (number, milliseconds) in sorted(calls.items(), key=lambda item: -item[1][1]):
        if number / count >= 0.02:
            rows.append([call, number / count, None if call in WAITING else milliseconds * 1000 / count])
    rows.append(["all (µs of those that never wait)", sum(row[1] for row in rows), sum(row[2] or 0 for row in rows)])
    table(["call", "calls", "µs"], rows)


def code(bench, system, name, count):
    """Which libraries and functions the processor was in, as perf sampled it."""
    if not shutil.which("perf"):
        print(f"Code of one {name}: perf is not installed (Debian package linux-perf).\n")
        return
    data, path = bench.path("perf.data"), prepared(system)
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "9999", "-o", data, "-p", str(system.server), "--",
                           *drive(name, path, count)], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not os.path.exists(data):
        print(f"Code of one {name}: perf may not sample the process here (root may).\n")
        return
    title(f"Code of one {name} in the process of polykey, % of its processor time (perf, of {count})")
    table(["library", "%"], shares(data, "dso", 0.5))
    table(["function", "%"], shares(data, "symbol", 0.5)[:20])


def shares(data, key, least):
    """[[name, percent]] of what was sampled, the most first."""
    report = subprocess.run(["perf", "report", "-i", data, "--stdio", "-q", "--sort", key, "--percent-limit", str(least)],
                            capture_output=True, text=True, check=False).stdout
    rows = [[name, float(share)] for share, name in re.findall(r"^ +([\d.]+)% +(.*?)(?:  .*)?$", report, re.MULTILINE)]
    if key == "symbol" and shutil.which("swift") and rows:
        names = "\n".join(re.sub(r"^\[(.)\] ", "", row[0]) for row in rows)
        plain = subprocess.run(["swift", "demangle", "--simplified"], input=names, capture_output=True, text=True, check=False)
        rows = [[name, row[1]] for name, row in zip(plain.stdout.splitlines(), rows)] or rows
    return [[name if len(name) <= 90 else name[:89] + "…", share] for name, share in rows]


def measure(bench, systems, quick):
    polykey = next(system for system in systems if system.name == "polykey")
    usage(systems, {"commit": 500 if quick else 3000, "cat": 4000 if quick else 20000})
    for name, count in (("commit", 200), ("cat", 1000)):
        system_calls(bench, polykey, name, count)
    for name, count in (("commit", 500 if quick else 3000), ("cat", 5000 if quick else 30000)):
        code(bench, polykey, name, count)
