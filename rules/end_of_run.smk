"""What is said at the end of a run: of jobs that a cluster killed, and what came out.

In:  Snakemake's log and the cluster's logs of jobs, results/logs/{slurm,cluster}/.
"""

from genreflow.jobs.cluster import describe_killed_jobs
from genreflow.results.summary import closing_words


def tell_killed_jobs(logs):
    """Print a message about jobs that were killed for memory or time, if there are any."""
    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    failed = dict.fromkeys(re.findall(r"^ +external_jobid: (\S+)$", text, re.MULTILINE))
    folders = [Path("results/logs/slurm"), Path("results/logs/cluster")]
    if message := describe_killed_jobs(failed, *folders):
        print(message, file=sys.stderr)


def tell_results():
    """Print what the run came to."""
    # A job on a cluster is a run of its own, whose end is nobody's.
    if not workflow.is_main_process:
        return
    if IN_STORAGE:
        # Nothing of it is here any more.
        words = f"All results are in {workflow.storage_settings.default_storage_prefix}."
    else:
        words = closing_words(RESULTS, list(CONFIG.datasets))
    if words:
        print(f"\n{words}", file=sys.stderr)


onerror:
    run_record().unlink(missing_ok=True)
    tell_killed_jobs(log)


# Jobs that had enough at another attempt are worth knowing too: every run would lose their time.
onsuccess:
    run_record().unlink(missing_ok=True)
    tell_killed_jobs(log)
    tell_results()
