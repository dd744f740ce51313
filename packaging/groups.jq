# The win-rates document as a table for a terminal: columns are groups; fields are divided by tabs.
def percent: (. * 100 | round | tostring) + " %";
def rate: if .n > 0 then (.rate | percent) + " (" + (.low * 100 | round | tostring) + "-" + (.high * 100 | round | tostring) + ")" else "no data" end;
def title: (if .name == "" then "Group \(.ordinal + 1)" else .name end) + (if .worst_off then ", worst off" else "" end);

. as $doc
| (if .k > 1 then "\(.k) groups of taste" else "One group suffices" end) + ", as of \(.as_of[0:16] | sub("T"; " ")) UTC (95 % intervals)",
  "",
  (["", (.groups[] | title)] | @tsv),
  (["people", (.groups[] | "\(.size) (\(.weight | percent))")] | @tsv),
  (["own reward is right", (.groups[] | .accuracy.group | rate)] | @tsv),
  (["one reward for all is right", (.groups[] | .accuracy.single | rate)] | @tsv),
  (.policies | combinations(2) | select(.[0] < .[1])) as [$a, $b]
  | (["\($a) beats \($b)",
      ($doc.groups[].id as $g | [$doc.win_rates[] | select(.group == $g and .policy == $a and .opponent == $b) | rate][0] // "no data")] | @tsv)
