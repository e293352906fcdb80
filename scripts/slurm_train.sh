#!/usr/bin/env bash
# Trains on many machines under SLURM, a worker on each GPU:
#
#   sbatch --nodes 4 --gpus-per-node 8 scripts/slurm_train.sh binarised --arch gnmt_moe_512h ...
#
# The options are those of fairseq-train; --user-dir and --task are given here.  The checkpoints'
# folder has to be one that all machines share.  A worker that dies ends the whole job.
#SBATCH --job-name=moe_nmt
#SBATCH --ntasks-per-node=1
#SBATCH --output=moe_nmt-%j.log
set -euo pipefail

if [[ -z ${SLURM_JOB_NODELIST:-} ]]; then
    echo "moe_nmt: start this with sbatch, as its first lines show" >&2
    exit 2
fi
if [[ $# -eq 0 ]]; then
    echo "moe_nmt: name the folder of binarised data, then options of fairseq-train" >&2
    exit 2
fi
command -v fairseq-train torchrun > /dev/null || {
    echo "moe_nmt: fairseq-train and torchrun are not found: activate the environment first" >&2
    exit 2
}
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
gpus=${SLURM_GPUS_ON_NODE:-1}
plugin=$(python -c 'import moe_nmt; print(moe_nmt.__path__[0])')

srun --kill-on-bad-exit=1 torchrun \
    --nnodes "$SLURM_NNODES" --nproc_per_node "$gpus" \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$first:29500" \
    "$(command -v fairseq-train)" "$@" --user-dir "$plugin" --task expert_parallel_translation
