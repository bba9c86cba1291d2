"""A throw-away SLURM on this machine: two nodes, of which one has two pretended GPUs, with accounting.

Everything lies in one folder and listens on loopback. Only SLURM's packages have to be installed (Debian: slurmctld
slurmd slurm-client slurmdbd munge mariadb-server); no service has to run.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "sbatch", "sacct")
GPUS = 2
NODES = ("cpu01", "gpu01")
SYSTEM = Path("/etc/slurm")  # Snakemake's jobs drop SLURM_CONF, so srun looks here
PATH = f"{os.environ['PATH']}:/usr/sbin"
DYING_WITH_US = ("setpriv", "--pdeathsig", "TERM")
PORTS = {"slurmctld": 17817, "slurmdbd": 17818, "cpu01": 17819, "gpu01": 17820, "mariadb": 17826}


def what_is_missing() -> str | None:
    """Why no cluster can be started here, None if it can."""
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=PATH)]:
        return f"not installed: {', '.join(absent)}"
    if not os.access(SYSTEM, os.W_OK):
        return f"{SYSTEM} cannot be written"
    if (SYSTEM / "slurm.conf").exists() and not (SYSTEM / "slurm.conf").is_symlink():
        return f"{SYSTEM} holds the configuration of another cluster"
    return None


@dataclass
class Cluster:
    """Its folder, and its daemons by name."""

    root: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)


@contextmanager
def slurm(root: Path) -> Iterator[Cluster]:
    """Start the cluster in ``root``, and end it."""
    for name in ("etc", "log", "run", "state", "munge", "mysql", "spool/cpu01", "spool/gpu01"):
        (root / name).mkdir(parents=True)
    (root / "munge").chmod(0o755)
    for number in range(GPUS):
        (root / f"gpu{number}").symlink_to("/dev/null")  # any device will do
    _configure(root)
    cluster = Cluster(root)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(root / "etc/slurm.conf")
    try:
        for name in ("slurm.conf", "gres.conf"):
            (SYSTEM / name).unlink(missing_ok=True)
            (SYSTEM / name).symlink_to(root / "etc" / name)
        _start(cluster)
        yield cluster
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "--user", str(os.getuid())], capture_output=True, timeout=20)
            time.sleep(1)
        for process in reversed(cluster.processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        for node in NODES:
            _kill_jobs(cluster, node)  # left where the controller has died
        for name in ("slurm.conf", "gres.conf"):
            (SYSTEM / name).unlink(missing_ok=True)
        os.environ.pop("SLURM_CONF")
        if before:
            os.environ["SLURM_CONF"] = before


def _configure(root: Path) -> None:
    user, host = _user(), socket.gethostname().split(".")[0]
    (root / "etc/slurm.conf").write_text(f"""
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={PORTS["slurmctld"]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmdLogFile={_log(root, "%n")}
SlurmdSpoolDir={root}/spool/%n
StateSaveLocation={root}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=10
OverTimeLimit=0
SlurmdTimeout=20
ReturnToService=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={PORTS["slurmdbd"]}
AccountingStoragePass={root}/munge/socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
NodeName=cpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={PORTS["cpu01"]} CPUs=4 RealMemory=200000
NodeName=gpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={PORTS["gpu01"]} CPUs=4 RealMemory=200000 Gres=gpu:{GPUS}
PartitionName=DEFAULT State=UP MaxTime=7-00:00:00 PreemptMode=OFF PriorityTier=10
PartitionName=cpu Nodes=cpu01 Default=YES
PartitionName=gpu Nodes=gpu01
PartitionName=spot Nodes=gpu01 PreemptMode=REQUEUE
PartitionName=urgent Nodes=gpu01 PriorityTier=100
""")
    (root / "etc/gres.conf").write_text(f"AutoDetect=off\nNodeName=gpu01 Name=gpu File={root}/gpu[0-{GPUS - 1}]\n")
    dbd = root / "etc/slurmdbd.conf"
    dbd.touch(0o600)
    dbd.write_text(f"""
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={PORTS["slurmdbd"]}
SlurmUser={user}
PidFile={root}/run/slurmdbd.pid
LogFile={root}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={PORTS["mariadb"]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
""")
    key = root / "munge/key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))


def lose_node(cluster: Cluster, node: str) -> None:
    """Kill at once all that runs on a node."""
    cluster.processes.pop(f"slurmd-{node}").kill()
    _kill_jobs(cluster, node)


def _kill_jobs(cluster: Cluster, node: str) -> None:
    """Kill SLURM's step daemons of a node, known by the log that they write to, and all that they have started."""
    log, jobs = str(_log(cluster.root, node).resolve()), []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended meanwhile
            if log in (file.path for file in process.open_files()):
                jobs += [process, *process.children(recursive=True)]
    for process in jobs:
        with suppress(psutil.Error):
            process.kill()


def _log(root: Path, node: str) -> Path:
    return root / f"log/slurmd-{node}.log"


def start_node(cluster: Cluster, node: str) -> None:
    command = [*DYING_WITH_US, shutil.which("slurmd", path=PATH), "-D", "-N", node]
    cluster.processes[f"slurmd-{node}"] = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _start(cluster: Cluster) -> None:
    root = cluster.root

    def daemon(name: str, *command: str) -> None:
        with (root / f"log/{name}.out").open("w") as output:
            program = shutil.which(command[0], path=PATH)
            cluster.processes[name] = subprocess.Popen(
                [*DYING_WITH_US, program, *command[1:]], stdout=output, stderr=output
            )

    munge, mysql = root / "munge", root / "mysql"
    files = [f"--{name}-file={munge}/{name}" for name in ("key", "log", "seed", "pid")]
    daemon("munged", "munged", "--foreground", "--force", f"--socket={munge}/socket", *files)
    made = [
        "mariadb-install-db",
        "--no-defaults",
        f"--user={_user()}",
        f"--datadir={mysql}",
        "--skip-test-db",
    ]
    subprocess.run([*made, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    sql = f"--socket={root}/run/mariadb.sock"
    options = [f"--user={_user()}", f"--datadir={mysql}", sql, f"--pid-file={root}/run/mariadb.pid"]
    small = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--innodb-lock-wait-timeout=900"]
    address = ["--bind-address=127.0.0.1", f"--port={PORTS['mariadb']}"]
    daemon("mariadbd", "mariadbd", "--no-defaults", *options, *small, *address)
    wait_for(["mariadb-admin", "--no-defaults", sql, "ping"])
    statements = (
        "CREATE DATABASE slurm_acct_db; CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';"
        " GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1'"
    )
    subprocess.run(["mariadb", "--no-defaults", sql, "-e", statements], check=True, capture_output=True)
    daemon("slurmdbd", "slurmdbd", "-D")
    wait_for(["sacctmgr", "-n", "list", "cluster"])
    for entity in (
        ["cluster", "throwaway"],
        ["account", "segloss", "Description=tests", "Organization=tests"],
        ["user", _user(), "Account=segloss"],
    ):
        subprocess.run(["sacctmgr", "-i", "add", *entity], check=True, capture_output=True)
    daemon("slurmctld", "slurmctld", "-D", "-c")
    for node in NODES:
        start_node(cluster, node)
    wait_for(["sh", "-c", "test $(sinfo -h -N -p cpu,gpu -o %T | grep -c idle) = 2"])


def wait_for(command: list[str], seconds: float = 60) -> None:
    """Try a command until it succeeds."""
    end = time.monotonic() + seconds
    while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
        if time.monotonic() > end:
            raise TimeoutError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        time.sleep(0.2)


def _user() -> str:
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
