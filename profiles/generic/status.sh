#!/bin/sh
# Say how a job of PBS is, as Snakemake's generic executor wants it: running, success or failed.
# -x asks for jobs that are over too, which have an exit status.
if answer=$(qstat -x -f "$1" 2>&1); then
  case $answer in
    *"job_state = F"*"Exit_status = 0"*) echo success ;;
    *"job_state = F"*) echo failed ;;
    *) echo running ;;
  esac
else
  case $answer in
    *"Unknown Job"*)
      echo "PBS knows nothing of job $1: $answer" >&2
      echo "Hint: it must keep finished jobs (job_history_enable); ask your administrators." >&2
      exit 1
      ;;
    # The server doesn't answer; the job goes on without it.
    *) echo running ;;
  esac
fi
