#!/usr/bin/env bash
# Compares a policy with the writer on prompts that no training saw: an evaluate job. The judge is fitted to the people
# whom the fit held out.
#
#   usage: 6-evaluate.sh POLICY FILE
#
# FILE holds one prompt a line, such as `egalign demo prompts --held-out` writes.
#   SAMPLES  answers of each policy to each prompt (4)
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac

job=$(jq -Rnc --arg policy "$1" --argjson samples "${SAMPLES:-4}" \
    '{policy: $policy, against: "writer", prompts: [inputs], samples: $samples, max_tokens: 64}' "$2" | start evaluate)
wait_for "$job" "Evaluating $1"
