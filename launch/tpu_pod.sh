#!/usr/bin/env bash
# Trains on all hosts of a Cloud TPU slice, from any machine with gcloud:
#   TPU_NAME=pod ZONE=us-west4-a launch/tpu_pod.sh --config=configs/googlenet.py \
#       --workdir=/mnt/shared/googlenet
# On each host the project lies in $REMOTE_DIR (default: ~/jaxcnn), with its environment in .venv.
# jaxcnn.main gets the arguments unchanged. A run that lost a host resumes by itself.
set -uo pipefail

: "${TPU_NAME:?the name of the TPU}" "${ZONE:?the zone of the TPU}"
MOST_RESTARTS=100 # an end for a run that can never resume
printf -v program '%q ' .venv/bin/python -m jaxcnn.main --distributed "$@"
remote=${REMOTE_DIR:-jaxcnn}
printf -v folder '%q' "${remote#\~/}" # ssh begins in the home directory, and a quoted ~ is a name

on_all_hosts() {
    gcloud compute tpus tpu-vm ssh "$TPU_NAME" --zone="$ZONE" --worker=all --command="$1"
}

state() {
    gcloud compute tpus tpu-vm describe "$TPU_NAME" --zone="$ZONE" --format='value(state)'
}

stopping=false
# shellcheck disable=SC2329
stop() { # lets the hosts' processes save and end; the second call ends them at once
    stopping=true
    on_all_hosts "pkill -TERM -f '[j]axcnn.main --distributed'" </dev/null
}
trap stop INT TERM

train() {
    set -m # gcloud gets its own process group: Ctrl-C goes to `stop`
    on_all_hosts "cd $folder && exec $program" </dev/null &
    set +m
    local group=$! code
    wait "$group"
    code=$?
    while ((code > 128)) && kill -0 "$group" 2>/dev/null; do # a signal ended only the wait
        wait "$group"
        code=$?
    done
    return "$code"
}

wait_until_ready() { # a host under repair comes back; a preempted TPU does not
    until $stopping; do
        case "$(state)" in
            READY) return 0 ;;
            CREATING | STARTING | RESTARTING | REPAIRING) sleep 30 ;;
            *)
                echo "$TPU_NAME is gone; create it again, and the same command resumes the run" >&2
                return 1
                ;;
        esac
    done
    return 1
}

for ((restarts = 0; ; restarts++)); do
    train
    code=$?
    if $stopping || ((code != 75 || restarts == MOST_RESTARTS)) || ! wait_until_ready; then
        exit "$code"
    fi
    echo "the run was stopped and saved; resuming it" >&2
done
