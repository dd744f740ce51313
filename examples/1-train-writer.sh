#!/usr/bin/env bash
# Trains a small language model, from nothing, on short reviews: an sft job, which makes the policy "writer".
#
#   usage: 1-train-writer.sh FILE
#
# FILE holds one {"prompt", "response"} a line, such as `egalign demo reviews` writes. It must be readable for the
# workers and lie in the service's model_folder or one of its policy_folders. Two layers of width 64 are enough for the
# grammar.
#   EPOCHS  times that each review is seen (3)
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac

job=$(jq -n --arg file "$(realpath "$1")" --argjson epochs "${EPOCHS:-3}" '{
    name: "writer",
    new: {layers: 2, width: 64, vocabulary: 512, context: 96},
    data: {file: $file},
    template: "{prompt}",
    epochs: $epochs,
    batch_tokens: 2048,
    learning_rate: 0.003
}' | start sft)
wait_for "$job" "Learning to write"
