#!/usr/bin/env bash
# Searches with the tasks of a SLURM job array, one worker per task, each with its own GPU:
#   sbatch --array=0-7 --gpus-per-task=1 --cpus-per-task=8 --time=8:00:00 launch/slurm_array.sh \
#       --config=configs/lenet.py --search='optimizer.learning_rate=log(1e-4,1e-1)' \
#       --trials=200 --study=postgresql+psycopg://USER:PASSWORD@HOST/NAME
# The workers share the study and the search's folder; jaxcnn.search gets the arguments unchanged.
#SBATCH --job-name=jaxcnn-search
#SBATCH --output=slurm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --signal=TERM@180
# (180 seconds before the time limit the worker gets SIGTERM; this script does not.)
set -euo pipefail

MOST_REQUEUES=100 # an end for a worker that can never go on

if [[ " $*" != *" --study="* ]]; then
    echo "slurm_array.sh: give --study=URL; a file of SQLite does not serve several machines" >&2
    exit 2
fi
if [[ -n ${SLURM_CPUS_PER_TASK:-} ]]; then
    export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK" # srun does not inherit sbatch's
fi

code=0
srun python -m jaxcnn.search "$@" || code=$?
if ((code == 75 && ${SLURM_RESTART_COUNT:-0} < MOST_REQUEUES)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
