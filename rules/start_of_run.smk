"""What is done once before the first job: results can be written, the run is recorded, and what
Snakemake would do at a cost is switched off.
"""

import signal

#: Snakemake's limit of new jobs where one states none: so many in so many seconds.
DEFAULT_LIMIT = (100, 1)


def lift_default_limit():
    """Let Snakemake's scheduler look for jobs when one has ended, and not all the time.

    With a limit each look sets a timer for another, as long as jobs are ready, and each job that
    ends adds one more (Snakemake 9.27, `JobScheduler.schedule`): after some hundred jobs the
    scheduler is always at it, at each input of each job that is ready, and takes a core from them.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == DEFAULT_LIMIT:
        workflow.scheduler.job_rate_limiter = None


onstart:
    # A job on a cluster is a run of its own, which locks nothing.
    if workflow.is_main_process:
        with clear_messages():
            check_folder(RESULTS.absolute())
        record_run()
        lift_default_limit()
        # Snakemake ends in order after a SIGTERM, but not when its terminal is closed.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
