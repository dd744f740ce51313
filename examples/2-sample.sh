#!/usr/bin/env bash
# Lets a policy answer prompts: a complete job. The answers become responses of items, ready to be compared.
#
#   usage: 2-sample.sh FILE [POLICY]
#
# FILE holds one prompt a line, such as `egalign demo prompts` writes; the policy is "writer" unless said otherwise.
#   SAMPLES  answers to each prompt (4)
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac
policy=${2:-writer}

# A request takes 256 prompts at most.
split -l 256 --filter='jq -Rnc "[inputs]"' "$1" | while read -r prompts; do
    job=$(jq -c --argjson samples "${SAMPLES:-4}" \
        '{prompts: ., samples: $samples, max_tokens: 64, temperature: 1, seed: 1}' <<<"$prompts" |
        post "$(in_project "/policies/$policy/completions")" | jq -er .id)
    wait_for "$job" "Sampling from $policy"
done
