#!/bin/bash
# `orrery sweep` from outside: sweep_test.sh ORRERY CHECKOUT. Answers, refusals, and what a kill -9 costs. Prints what failed.
orrery=$1
root=$2
. "$root/tests/cli/checks.sh"

cat >study.yaml <<'END'
name: a study
scenario: quickstart
axes:
  - grid: { jobs.0.plan.micro_batch: [1, 2, 12], jobs.0.training.global_batch: [1536, 1000] }
  - random: { count: 300, draw: { cluster.fabric.oversubscription: { uniform: [1, 4] } } }
END

# Answers.
expect 0 'The 10 best points by tokens/s' "$orrery" sweep study.yaml
holds 'the store is beside the study' test -s study.sqlite
holds 'the infeasible are counted by reason' grep -q '900 x global_batch 1000 is not divisible' out
cp out first
expect 0 '1,800 points were there' "$orrery" sweep study.yaml
holds 'the table is the same from the store' cmp -s first out
expect 0 'The 3 worst points by cost of the budget' "$orrery" sweep study.yaml --sort budget.cost_usd --worst --top 3 --quiet
holds 'nothing but the answer with --quiet' is_empty err
expect 0 '"settings": .*"metrics": ' "$orrery" sweep study.yaml --format json --quiet
holds 'answer is JSON' is_json out
expect 0 '' "$orrery" sweep study.yaml --format csv --quiet --out whole.csv
holds 'nothing on standard output with --out' is_empty out
holds 'one line per point' test "$(wc -l <whole.csv)" -eq 1801
expect 0 '^point,status,message,jobs.0.plan.micro_batch' "$orrery" sweep study.yaml --format csv --quiet --store one.sqlite --jobs 1
holds 'one worker gives the same bytes' cmp -s out whole.csv
expect 0 '' "$orrery" sweep study.yaml --format csv --quiet --store three.sqlite --jobs 3
holds 'three workers give the same bytes' cmp -s out whole.csv

# Metrics to show are no part of what was run.
sed 's/^axes/metrics: [step_time_s, memory.total_bytes]\naxes/' study.yaml >two.yaml
expect 0 '1,800 points were there' "$orrery" sweep two.yaml --store study.sqlite --format csv
holds 'the metrics that the study names are the columns' grep -q 'oversubscription,step_time_s,memory.total_bytes$' out

# Refusals.
expect 2 "two.yaml:3:11: metrics: 'step_tim'.*did you mean 'step_time_s'" bash -c "sed -i 's/step_time_s/step_tim/' two.yaml; '$orrery' sweep two.yaml"
expect 2 "sort: 'speed'" "$orrery" sweep study.yaml --sort speed
expect 2 'jobs.*allowed: a whole number' "$orrery" sweep study.yaml --jobs 0 --store never.sqlite
holds 'a refused command leaves no store' test ! -e never.sqlite
expect 2 'missing.yaml' "$orrery" sweep missing.yaml
sed 's/300/299/' study.yaml >changed.yaml
expect 2 'another study.*--fresh' "$orrery" sweep changed.yaml --store study.sqlite
echo 'notes' >notes.txt
expect 2 'is no SQLite file' "$orrery" sweep study.yaml --store notes.txt --fresh
holds 'a foreign file is left as it is' grep -qx notes notes.txt
expect 2 'with mistakes' bash -c "sed 's/1536, 1000/none, 0/' study.yaml >wrong.yaml; '$orrery' sweep wrong.yaml"
expect 0 '"axes"' "$orrery" schema study
holds 'study schema is JSON' is_json out

# Killed in the middle: what was committed stays, what is missing is run, nothing is run twice.
sed 's/300/1500/; s/^name: .*/name: a long study/' study.yaml >long.yaml
expect 0 '' "$orrery" sweep long.yaml --format csv --quiet --store uninterrupted.sqlite --out uninterrupted.csv
# rows STORE: how many it has. A file copied while it is written to would be torn; SQLite reads it as it is.
rows() { python3 -c "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM points').fetchone()[0])" "$1" 2>/dev/null || echo 0; }
"$orrery" sweep long.yaml --quiet --jobs 2 >/dev/null 2>killed.err &
sweep=$!
for _ in $(seq 200); do
  [ "$(rows long.sqlite)" -gt 0 ] && break
  sleep 0.02
done
expect 2 'another sweep is writing' "$orrery" sweep long.yaml
workers=$(cat /proc/$sweep/task/*/children)
kill -9 $sweep
wait $sweep 2>/dev/null
kept=$(rows long.sqlite)
holds 'rows were committed before the end' test "$kept" -gt 0
holds 'the sweep was killed before its end' test "$kept" -lt 9000
for _ in $(seq 100); do
  alive=0
  for worker in $workers; do [ -e "/proc/$worker" ] && ! grep -q '^State:.Z' "/proc/$worker/status" 2>/dev/null && alive=1; done
  [ $alive = 0 ] && break
  sleep 0.02
done
holds 'workers end with their parent' test $alive = 0
expect 0 '' "$orrery" sweep long.yaml --format csv
sed 's/\([0-9]\),\([0-9]\)/\1\2/g' err >plain
holds 'what was there stays, what was missing is run once' grep -qE "^$((9000 - kept)) points in .*, $kept points were there" plain
holds 'a resumed sweep gives the bytes of an uninterrupted one' cmp -s out uninterrupted.csv

finish
