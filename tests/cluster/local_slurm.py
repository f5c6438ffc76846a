"""A Slurm cluster of four nodes on this machine, for the tests: Debian's packages, no accounting.

It needs root, and leaves nothing behind but the packages.  It does not touch a Slurm or a munge
that is already here.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

#: State, logs, spools and the key; jobs find their configuration in /etc/slurm alone, since they
#: don't inherit SLURM_CONF.
FOLDER = Path("/run/genreflow-test-slurm")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
GPUS = Path("/etc/slurm/gres.conf")
MARK = "# Written by the tests of genreflow, which replace and remove it.\n"
NODES = ("n1", "n2", "n3", "n4")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
POLICY = Path("/usr/sbin/policy-rc.d")


class CannotStart(Exception):
    """Why there is no cluster here: the tests are skipped with it."""


def _text() -> str:
    host = socket.gethostname()
    return (
        MARK
        + f"""
ClusterName=genreflow-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
StateSaveLocation={FOLDER}/state
SlurmdSpoolDir={FOLDER}/%n
SlurmctldPidFile={FOLDER}/slurmctld.pid
SlurmdPidFile={FOLDER}/%n.pid
SlurmctldLogFile={FOLDER}/slurmctld.log
SlurmdLogFile={FOLDER}/%n.log
AuthType=auth/munge
# A requeued job waits until its old credential has expired.
AuthInfo=socket={FOLDER}/munge.socket,cred_expire=10
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
# Processors and memory are counted, and memory is watched; the numbers need not be there.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=2
# Jobs that are over stay visible to the tests, and to the executor, which has only squeue here.
MinJobAge=7200
GresTypes=gpu
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17003] CPUs=2 RealMemory=30000
NodeName=n4 NodeHostname={host} NodeAddr=127.0.0.1 Port=17004 CPUs=2 RealMemory=30000 Gres=gpu:1
PartitionName=cpu Nodes=n[1-3] Default=YES State=UP
PartitionName=gpu Nodes=n4 State=UP
"""
    )


def run(*command: str, timeout: float = 60) -> str:
    """Return what a command prints; its failure is an error with what it said."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout}{result.stderr}")
    return result.stdout


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for a condition, or fail with what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.5)


def start() -> None:
    """Install Slurm if it is not here, and start the cluster, or say why that can't be."""
    if os.getuid() != 0:
        raise CannotStart("a Slurm for the tests needs root")
    for path in (CONFIGURATION, GPUS):
        if path.exists() and not path.read_text(errors="replace").startswith(MARK):
            raise CannotStart(f"{path} is not of these tests: there is another Slurm here")
    stop()  # what an interrupted run may have left
    if not all(map(shutil.which, PROGRAMS)):
        _install()
    for name in ("", "state", *NODES):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        (FOLDER / name).chmod(0o755)
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(_text(), encoding="utf-8")
    # Any device file will do: nothing here uses the GPU.
    GPUS.write_text(MARK + "NodeName=n4 Name=gpu File=/dev/null\n", encoding="utf-8")
    key = FOLDER / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    try:
        run(
            "munged",
            f"--key-file={key}",
            f"--socket={FOLDER}/munge.socket",
            f"--pid-file={FOLDER}/munged.pid",
            f"--log-file={FOLDER}/munged.log",
            f"--seed-file={FOLDER}/munge.seed",
        )
        run("slurmctld")
        for node in NODES:
            run("slurmd", "-N", node)
        wait_until(
            lambda: run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES),
            seconds=60,
            what="four idle nodes",
        )
    except Exception as error:
        logs = [path.read_text(errors="replace")[-1500:] for path in sorted(FOLDER.glob("*.log"))]
        stop()
        raise RuntimeError("\n".join([str(error), *logs])) from error


def _install() -> None:
    if not shutil.which("apt-get"):
        raise CannotStart("Slurm is not installed, and there is no apt-get to install it")
    # Debian starts the services of a package that it installs, unless this says no.
    if quiet := not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = ["slurm-wlm", "munge"]
    try:
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        ):
            result = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            )
            if result.returncode:
                raise CannotStart(f"{' '.join(command)} failed: {result.stderr.strip()[-500:]}")
    finally:
        if quiet:
            POLICY.unlink()


def stop() -> None:
    """Stop what `start` has started, jobs included, and remove its files."""
    for node in NODES:
        kill_node(node, how=signal.SIGTERM)
    for name in ("slurmctld", "munged"):
        _kill(_process(name), signal.SIGTERM)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path in (CONFIGURATION, GPUS):
        if path.exists() and path.read_text(errors="replace").startswith(MARK):
            path.unlink()


def kill_node(name: str, *, how: signal.Signals = signal.SIGKILL) -> None:
    """Stop a node like a broken one: its daemon and the processes of its jobs."""
    daemon = _process(name)
    _kill(daemon, how)
    jobs = [pid for pid in _pids() if _environment(pid).get("SLURMD_NODENAME") == name]
    # The job's own watcher first, or it would report the end of what is killed after it.
    watchers = {_parent(pid) for pid in jobs}
    for pid in [pid for pid in watchers if _name(pid) == "slurmstepd"] + jobs:
        _kill(pid, signal.SIGKILL)


def jobs() -> dict[str, dict[str, str]]:
    """Return what Slurm knows of every job, by its number."""
    records = {}
    for line in run("scontrol", "--oneliner", "show", "jobs").splitlines():
        values = dict(word.partition("=")[::2] for word in line.split() if "=" in word)
        if "JobId" in values:
            records[values["JobId"]] = values
    return records


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # it is over
        return ""


def _environment(pid: int) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in _read(pid, "environ").split("\0"))


def _status(pid: int, key: str) -> str:
    lines = dict(line.partition(":")[::2] for line in _read(pid, "status").splitlines())
    return lines.get(key, "").strip()


def _name(pid: int) -> str:
    return _status(pid, "Name")


def _parent(pid: int) -> int:
    return int(_status(pid, "PPid") or 0)


def _process(daemon: str) -> int:
    """Return the process of a daemon or node of ours that is running, or 0."""
    try:
        pid = int((FOLDER / f"{daemon}.pid").read_text())
    except (OSError, ValueError):
        return 0
    # The number may have gone to another process since.
    return pid if _name(pid) == ("slurmd" if daemon in NODES else daemon) else 0


def _kill(pid: int, how: signal.Signals) -> None:
    if not pid:
        return
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    end = time.monotonic() + 10
    while _status(pid, "State")[:1] not in ("", "Z"):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
