#!/usr/bin/env bash
# Trains on the nodes of a SLURM allocation, one process per node, each with the node's GPUs:
#   sbatch --nodes=2 --gpus-per-node=8 --cpus-per-task=32 --time=8:00:00 \
#       launch/slurm.sh --config=configs/googlenet.py
# One process per GPU: add --ntasks-per-node=8. jaxcnn.main gets the arguments unchanged.
#SBATCH --job-name=jaxcnn
#SBATCH --output=slurm-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=TERM@180
# (180 seconds before the time limit the processes get SIGTERM; this script does not.)
set -euo pipefail

MOST_REQUEUES=100 # an end for a run that can never resume

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# one of 4,096 ports, as in JAX: two jobs that share a node get different ones
export JAX_COORDINATOR_ADDRESS="${hosts[0]}:$((61440 + SLURM_JOB_ID % 4096))"
export JAX_NUM_PROCESSES="$SLURM_NTASKS"
if [[ -n ${SLURM_CPUS_PER_TASK:-} ]]; then
    export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK" # srun does not inherit sbatch's
fi

# Runs in every task; the tasks of a node share its GPUs.
# shellcheck disable=SC2016
task='
export JAX_PROCESS_ID="$SLURM_PROCID"
share=$((${SLURM_GPUS_ON_NODE:-0} / SLURM_NTASKS_PER_NODE))
if ((share > 0)); then
    first=$((SLURM_LOCALID * share))
    export JAX_LOCAL_DEVICE_IDS="$(seq -s, "$first" "$((first + share - 1))")"
fi
exec python -m jaxcnn.main "$@"'

code=0
# a process that ends must not end the others: they notice the loss, and save
srun --kill-on-bad-exit=0 bash -c "$task" jaxcnn "$@" || code=$?
if ((code == 75 && ${SLURM_RESTART_COUNT:-0} < MOST_REQUEUES)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
