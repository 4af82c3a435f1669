#!/bin/sh
# One piece, at most nine minutes, of a run on one GPU; the same command again goes on where it stopped.
#
#     tools/train_gpu.sh landmarker runs/landmarker [options of palmar train...]
#     PIECES=12 tools/train_gpu.sh landmarker runs/landmarker
#
# The landmarker's samples are made on the GPU. The detector's are made by the cores (WORKERS, all but one by default).
# MINUTES (8) is the training itself; starting, the last step and the checkpoint take the rest of the nine.
# Exit code 0: all steps are done. 3: there is more to do. Anything else: palmar's own error.
set -eu

usage="usage: tools/train_gpu.sh landmarker|detector RUN [options of palmar train...]"
network=${1:?$usage} run=${2:?$usage}
shift 2
minutes=${MINUTES:-8} pieces=${PIECES:-1}
case $network in
landmarker) more="--samples device --steps ${STEPS:-470000}" ;;
detector) more="--workers ${WORKERS:-$(($(nproc) > 1 ? $(nproc) - 1 : 1))} --steps ${STEPS:-120000}" ;;
*) echo "$usage" >&2 && exit 2 ;;
esac

while [ "$pieces" -gt 0 ]; do
    pieces=$((pieces - 1))
    # shellcheck disable=SC2086  (several words)
    timeout -k 20 540 palmar train "$network" --run "$run" --device "${DEVICE:-cuda}" --precision bfloat16 \
        --minutes "$minutes" $more "$@"
    large=$(find "$run" -path '*checkpoint-*' -type f -size +15M)
    if [ -n "$large" ]; then
        echo "files over 15 MB in the checkpoint: $large" >&2
        exit 4
    fi
    last=$(find "$run" -maxdepth 1 -name 'checkpoint-*' | sort | tail -n 1)
    step=$(python3 -c 'import sys; print(int(sys.argv[1].rsplit("-", 1)[1]))' "$last")
    steps=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["steps"])' "$run/recipe.json")
    echo "$run: step $step of $steps" >&2
    [ "$step" -ge "$steps" ] && exit 0
done
exit 3
