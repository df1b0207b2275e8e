#!/bin/bash
# The command line from outside: cli_test.sh ORRERY CHECKOUT. Exit statuses, messages, formats, determinism. Prints what failed.
orrery=$1
root=$2
quickstart=$root/scenarios/quickstart.yaml
. "$root/tests/cli/checks.sh"

# Parsing.
expect 0 'estimate' "$orrery" --help
expect 0 'Begin with .orrery run scenarios/quickstart.yaml' sh -c "'$orrery' --help | head -10"
expect 0 'narrow' sh -c "{ for c in '' run plan capacity sweep validate catalog explain schema calibrate; do '$orrery' \$c --help; done; '$orrery' explain; } | awk 'length > 110 { exit 1 } END { if (NR > 100) print \"narrow\" }'"
expect 0 '^orrery [0-9]' "$orrery" --version
expect 0 'PATH=VALUE' "$orrery" run --help
expect 2 'help' "$orrery"
expect 2 "unknown command 'rnu'.*did you mean 'run'" "$orrery" rnu "$quickstart"
expect 2 "unknown option '--formt'.*did you mean '--format'" "$orrery" run "$quickstart" --formt json
expect 2 'unexpected argument' "$orrery" run "$quickstart" another.yaml
expect 2 'FILE' "$orrery" run
expect 2 "--format: 'yml'.*allowed: text, json, csv" "$orrery" run "$quickstart" --format yml
expect 2 "--why: 'step_tiem'.*did you mean 'step_time'" "$orrery" estimate "$quickstart" --why step_tiem
expect 2 "--seed: 'x'" "$orrery" run "$quickstart" --seed x
expect 2 '--seed' "$orrery" run "$quickstart" --seed -1

# Files.
expect 2 'missing.yaml' "$orrery" run missing.yaml
mkdir a_folder
expect 2 'directory' "$orrery" run a_folder
expect 2 'directory' "$orrery" run "$quickstart" --trace a_folder
expect 2 'nowhere/trace.json' "$orrery" run "$quickstart" --trace nowhere/trace.json
printf 'name: x\nclustre: dgx-h100-superpod\n' >bad.yaml
expect 2 "bad.yaml:2:1: .*did you mean 'cluster'" "$orrery" run bad.yaml
expect 2 'bad.yaml:1:1: .*software' "$orrery" run bad.yaml
holds 'nothing on standard output after a user error' is_empty out

# Overrides.
expect 2 "did you mean 'node" "$orrery" estimate "$quickstart" --set cluster.nods=4
expect 2 'jobs.0.plan.tp' "$orrery" estimate "$quickstart" --set jobs.0.plan.tp=many
expect 4 'TP 8 · PP 8 · DP 8' "$orrery" estimate --set jobs.0.plan.dp=8 --set cluster.nodes=64 "$quickstart"

# Imports.
gpt=(pretrain_gpt.py --num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 --micro-batch-size 2 --bf16)
expect 0 'hidden: 1024' "$orrery" import megatron --node dgx-h100 -- "${gpt[@]}"
cp out imported.yaml
expect 0 'step time' "$orrery" run imported.yaml
expect 0 'logging.*--log-interval' "$orrery" import megatron --node dgx-h100 "${gpt[*]} --log-interval 5"
expect 2 "unknown option '--num-layers'.*go behind '--'" "$orrery" import megatron --node dgx-h100 --num-layers 8
expect 2 "--tp-comm-overlap: .*'--ignore --tp-comm-overlap' leaves it out" "$orrery" import megatron --node dgx-h100 -- "${gpt[@]}" --tp-comm-overlap
echo "echo hello" >script.sh
expect 2 "script.sh: no command with --num-layers" "$orrery" import megatron --node dgx-h100 --file script.sh
printf '\003\012\001\061\007\022\001\141\030\004\070\005' >rank.0.et # version "1"; node "a", COMP_NODE, 5 us
expect 0 'COMP_NODE' "$orrery" import chakra --dump rank.0.et
expect 0 'rank.%d.et' "$orrery" import chakra --node dgx-h100 'rank.%d.et'
cp out trace.yaml
expect 0 'whole +5.00 us' "$orrery" run trace.yaml
expect 0 '"end_s": (5e-06|4.9999)' "$orrery" run trace.yaml --format json
holds 'the result of a trace is JSON' is_json out
expect 2 'absent.et: no such file' "$orrery" import chakra --node dgx-h100 absent.et
head -c 10 rank.0.et >rank.0.et.cut && mv rank.0.et.cut rank.0.et
expect 2 'rank.0.et: byte 4: node 0 would be 7 bytes long, 5 are left' "$orrery" run trace.yaml

# Answers.
expect 0 'step time' "$orrery" run "$quickstart"
holds 'no progress where standard error is no terminal' is_empty err
cp out first
expect 0 'step time' "$orrery" run "$quickstart"
holds 'two runs give the same bytes' cmp -s first out
expect 0 'step time' "$orrery" estimate "$quickstart"
expect 0 '"step_time_s"' "$orrery" run "$quickstart" --format json
holds 'result is JSON' is_json out
cp out base.json
expect 0 '^scenario,name' "$orrery" run "$quickstart" --format csv
expect 0 '' "$orrery" run "$quickstart" --quiet
holds 'nothing printed with --quiet' is_empty out
expect 4 'NOT MET.*step_time' "$orrery" estimate "$quickstart" --set expect.step_time.max='1 s'
expect 4 'expectation not met: step_time' "$orrery" estimate "$quickstart" --set expect.step_time.max='1 s' --quiet
holds 'nothing printed with --quiet' is_empty out
expect 3 'Infeasible' "$orrery" estimate "$quickstart" --set jobs.0.plan.tp=7
expect 3 '> 80' "$orrery" run "$quickstart" --set jobs.0.plan.micro_batch=12
expect 3 '"feasible": false' "$orrery" run "$quickstart" --set jobs.0.plan.micro_batch=12 --format json
holds 'infeasible result is JSON' is_json out
expect 1 'standard output' bash -c "exec '$orrery' run '$quickstart' >/dev/full"

# Stages, sources, traces.
expect 0 'tp: 8' "$orrery" run "$quickstart" --dump resolved
cp out resolved.yaml
expect 0 'step time' "$orrery" run resolved.yaml
holds 'the resolved scenario gives the same report' cmp -s first out
expect 0 'micro_batches: 96' "$orrery" estimate "$quickstart" --dump graph
expect 0 '"bound_by"' "$orrery" estimate "$quickstart" --dump cost
holds 'costs are JSON' is_json out
expect 0 '^job,block,pass,operator' "$orrery" estimate "$quickstart" --dump cost --format csv
expect 0 '"begin_s"' "$orrery" run "$quickstart" --dump timeline
holds 'timeline is JSON' is_json out
expect 2 'no timeline' "$orrery" estimate "$quickstart" --dump timeline
expect 0 '' "$orrery" run "$quickstart" --trace trace.json --quiet
holds 'trace is JSON' is_json trace.json
for metric in step_time tokens_per_second mfu memory power energy goodput budget error_band; do
  expect 0 "^$metric = " "$orrery" estimate "$quickstart" --why $metric
done

# Comparison.
expect 0 'step time.*\+0.0%' "$orrery" compare base.json base.json --max-regression 3%
sed 's/overlap_grad_reduce: true/overlap_grad_reduce: false/; s/schedule: interleaved/schedule: 1f1b/; s/virtual_stages: 6/virtual_stages: 1/' "$quickstart" >slower.yaml
expect 4 'step time.*regressed' "$orrery" compare base.json slower.yaml --max-regression 1%
expect 2 'max-regression' "$orrery" compare base.json base.json --max-regression 3
echo '{}' >empty.json
expect 2 'is no result' "$orrery" compare base.json empty.json

# Measurements.
# Plan search.
small=(--set cluster.nodes=8 --set jobs.0.training.global_batch=64 --set 'search.tp=[8]' --set 'search.micro_batch=[1]' --set search.finalists=2)
expect 0 'Why the runner-up lost' "$orrery" plan "$quickstart" "${small[@]}"
cp out first
expect 0 'One change at a time' "$orrery" plan "$quickstart" "${small[@]}" --all all.csv --write best.yaml
holds 'a plan search gives the same bytes twice' cmp -s out first
holds 'every plan is a row' grep -qE '^8,.*,memory ' all.csv
expect 0 'step time' "$orrery" run best.yaml
expect 0 '"largest_simulate_minus_estimate"' "$orrery" plan "$quickstart" "${small[@]}" --format json
holds 'a plan search as JSON' is_json out
expect 3 'No plan is feasible' "$orrery" plan "$quickstart" "${small[@]}" --set search.memory_margin=0.98
expect 2 "search.tp: '8'.*write '\[8\]'" "$orrery" plan "$quickstart" --set search.tp=8
expect 2 '--finalists' "$orrery" plan "$quickstart" --finalists 0

# Ablations.
expect 0 'interleaving .*1f1b' "$orrery" estimate "$quickstart" --ablation
expect 0 '"gain_relative"' "$orrery" estimate "$quickstart" --ablation --format json
holds 'an ablation as JSON' is_json out
expect 0 'gpt3-175b,overlap-p2p,' "$orrery" estimate "$quickstart" --ablation --format csv
expect 0 'zero-bubble: already off' "$orrery" estimate "$quickstart" --without zero-bubble --quiet
expect 2 "did you mean 'overlap-p2p'" "$orrery" estimate "$quickstart" --without overlap-p2
expect 0 'power cap +500 W +assumed: given without a source' "$orrery" estimate "$quickstart" --why power --set 'cluster.node.device.power_cap=500 W'
expect 0 'active +62.8 W +share of' "$orrery" estimate "$quickstart" --why power
expect 2 '--ablation with --why' "$orrery" estimate "$quickstart" --ablation --why step_time
expect 3 'is not divisible by pp' "$orrery" estimate "$quickstart" --ablation --set jobs.0.plan.micro_batch=16

# Capacity.
llama=$root/scenarios/llama3-70b-capacity.yaml
few=(--set capacity.min_nodes=4 --set capacity.max_nodes=5)
expect 0 'Cheapest cluster for llama3-70b' "$orrery" capacity "$llama" "${few[@]}" --set 'capacity.deadline=2000 d'
expect 0 '"frontier"' "$orrery" capacity "$llama" "${few[@]}" --set 'capacity.deadline=2000 d' --format json
holds 'a capacity plan as JSON' is_json out
expect 3 'No cluster trains llama3-70b.*' "$orrery" capacity "$llama" "${few[@]}" --set 'capacity.deadline=1 d'
expect 3 'dgx-h100,4,32,false,.* deadline' "$orrery" capacity "$llama" "${few[@]}" --set 'capacity.deadline=1 d' --format csv
expect 2 "capacity: missing" "$orrery" capacity "$quickstart"
expect 2 'capacity.deadline' "$orrery" capacity "$llama" --set capacity.deadline=30

# Serving.
chat=$root/scenarios/serving-chat.yaml
short=(--set jobs.0.serving.traffic.requests=200)
expect 0 'time to first token' "$orrery" run "$chat" "${short[@]}" --requests requests.csv
holds 'a row per request' [ "$(wc -l <requests.csv)" -eq 201 ]
cp out first
expect 0 '' "$orrery" run "$chat" "${short[@]}"
holds 'serving gives the same bytes twice' cmp -s out first
gaps=(--set 'jobs.0.serving.traffic.classes=[{ name: all, itl: 10 ms, itl_within: 0.99 }]')
expect 4 'within 10 ms \(99.0% of gaps\)' "$orrery" run "$chat" "${short[@]}" "${gaps[@]}" --requests late.csv
holds 'every row has all columns' [ "$(awk -F, '{ print NF }' late.csv | sort -u)" -eq 16 ]
holds 'tokens behind a bound of gaps are counted' [ "$(awk -F, 'NR > 1 { late += $16 } END { print (late > 0) }' late.csv)" -eq 1 ]
expect 0 '"attainment_share"' "$orrery" run "$chat" "${short[@]}" --format json
holds 'a serving result as JSON' is_json out
cp out chat.json
expect 0 'time to first token, p99' "$orrery" compare chat.json chat.json
expect 0 'speculation|block_tokens' "$orrery" run "$chat" "${short[@]}" --dump resolved
cp out resolved.yaml
expect 0 '"attainment_share"' "$orrery" run resolved.yaml --format json
holds 'a resolved scenario that serves is the same scenario' diff <(grep -v overrides out | sed '/"assumptions"/,$d') <(sed '/"assumptions"/,$d' chat.json)
expect 0 'Over time' "$orrery" run "$chat" "${short[@]}" --set 'jobs.0.serving.sample=1 s'
expect 0 'latencies.ttft.p99_s' "$orrery" run "$chat" "${short[@]}" --format csv
expect 0 '' "$orrery" run "$chat" "${short[@]}" --trace serving.json --quiet
holds 'a timeline of requests is JSON' is_json serving.json
expect 0 'kernels .* host' "$orrery" run "$chat" "${short[@]}" --why tpot
expect 0 'queueing, mean' "$orrery" run "$chat" "${short[@]}" --why ttft
expect 2 'why mfu: of jobs that train; allowed: ttft, tpot' "$orrery" run "$chat" --why mfu
expect 2 'why tpot: of jobs that serve; allowed: step_time' "$orrery" run "$quickstart" --why tpot
expect 0 'replicas,decode' "$orrery" run "$chat" "${short[@]}" --dump cost --format csv
expect 2 'dump graph: of jobs that train; the scenario serves; allowed: resolved, cost' "$orrery" run "$chat" --dump graph
expect 0 '[$][0-9.]+ k  per million tasks' "$orrery" run "$root/scenarios/serving-agents.yaml" --set jobs.0.serving.traffic.requests=50
expect 0 "passes over .* images each" "$orrery" run "$root/scenarios/serving-vision.yaml" --set jobs.0.serving.traffic.requests=50
expect 0 "4 patches" "$orrery" run "$root/scenarios/serving-diffusion.yaml" --set jobs.0.serving.traffic.requests=10
expect 0 'the highest rate' "$orrery" run "$chat" "${short[@]}" --set 'jobs.0.serving.goodput={ tolerance: 0.5 }'
expect 4 'ttft_p99' "$orrery" run "$chat" "${short[@]}" --set 'expect.ttft_p99.max=1 ms'
expect 3 'infeasible: replicas need 12 devices > 8 devices' "$orrery" run "$chat" --set jobs.0.serving.plan.replicas=3 --quiet
expect 2 'no closed form' "$orrery" estimate "$chat"
expect 2 'has no job that serves' "$orrery" run "$quickstart" --requests requests.csv
expect 0 'decode pool|Decode replicas' "$orrery" run "$root/scenarios/serving-disaggregated.yaml" "${short[@]}"
printf 'arrived_at,num_prefill_tokens,num_decode_tokens\n1,100,10\n2,0,10\nbroken\n' >requests.csv
sed '/      traffic:/,/      slo:/c\      trace: { file: requests.csv }\n      slo: { attainment: 0.95 }' "$chat" | sed '/^expect:/,$d' >from_trace.yaml
expect 0 'line 3: num_prefill_tokens 0' "$orrery" run from_trace.yaml
expect 0 '2 refused' "$orrery" run from_trace.yaml
: >requests.csv
expect 2 'requests.csv: no requests in it' "$orrery" run from_trace.yaml
deployment=("$root/scenarios/serving-capacity.yaml" "${short[@]}" --set 'capacity.serving={ tp: [4], max_devices: 16 }')
expect 0 'Cheapest deployment for llama3-70b' "$orrery" capacity "${deployment[@]}"
expect 0 '"deployments"' "$orrery" capacity "${deployment[@]}" --format json
holds 'a deployment as JSON' is_json out
expect 3 'No deployment serves' "$orrery" capacity "${deployment[@]}" --set 'jobs.0.serving.slo.tpot=1 us'

expect 0 'mean over groups' "$orrery" validate training --rows rows.csv
holds 'one line per measured row' grep -q '^group,id,measured_s,predicted_s,error_pct,refusal,plan$' rows.csv
expect 2 'missing.csv' "$orrery" validate training --data missing.csv
expect 2 'missing.csv' "$orrery" validate serving --data missing.csv
expect 0 'vtrain-multi ' "$orrery" validate training --leave-out ampere
expect 2 'no measured kernels of hoper; did you mean .hopper.' "$orrery" validate serving --leave-out hoper
expect 2 "--leave-out: not with 'validate kernels'" "$orrery" validate kernels --leave-out hopper
expect 2 'allowed: training' "$orrery" validate weather
expect 0 'h100-sxm-80gb .*decoding' "$orrery" validate kernels
expect 2 'missing: is not a folder' "$orrery" validate kernels --data missing
expect 0 'CT22 From FLOPs to Footprints: met' "$orrery" validate papers --claim CT22
expect 0 '"verdict": "met"' "$orrery" validate papers --claim CT22 --format json
holds 'claims are JSON' is_json out
expect 0 '^CT06,medium,' "$orrery" validate papers --claim CT06 --format csv
expect 4 'CT12 Fuyou: not met' "$orrery" validate papers --claim CT12 --strict
expect 2 "--seed: 'two'" "$orrery" validate papers --claim CT22 --seed two
expect 2 "--claim: 'CT99'" "$orrery" validate papers --claim CT99
expect 2 "--rows: not with 'validate papers'" "$orrery" validate papers --rows rows.csv
expect 2 "--claim: not with 'validate training'" "$orrery" validate training --claim CT22
expect 2 'missing.yaml' "$orrery" validate papers --file missing.yaml
expect 0 '"claim"' "$orrery" schema claim
expect 0 'held out' "$orrery" calibrate --out curves.yaml
holds 'the fitted curves are written' grep -q 'name: hopper' curves.yaml
expect 2 'is not a folder' "$orrery" calibrate --data missing

# What is known.
expect 0 'h100-sxm-80gb' "$orrery" catalog list devices
expect 0 'gpt3-175b' "$orrery" catalog list
expect 0 'image_models' "$orrery" catalog --help
expect 2 "did you mean 'devices'" "$orrery" catalog list device
expect 0 'datasheet' "$orrery" catalog show h100-sxm-80gb
expect 2 'did you mean' "$orrery" catalog show h100-sxm-80g
expect 2 'NAME' "$orrery" catalog show
expect 0 'tensor-parallel' "$orrery" explain jobs.0.plan.tp
expect 0 'accepts' "$orrery" explain
expect 0 'default \[tp, cp, dp, pp\]' "$orrery" explain jobs.0.plan.order
expect 0 'default { fixed: {$' "$orrery" explain jobs.0.serving.traffic.input
expect 2 'no key' "$orrery" explain jobs.0.plan.pt
expect 0 'cluster.node.device.power_cap' "$orrery" explain cluster.node.device
expect 0 'cluster.fabric.oversubscription' "$orrery" explain cluster.fabric
expect 2 "did you mean 'cluster.fabric.kind'" "$orrery" explain cluster.fabric.kinds
expect 0 '"cluster"' "$orrery" schema
holds 'scenario schema is JSON' is_json out
expect 0 '"schema_version"' "$orrery" schema result
holds 'result schema is JSON' is_json out

finish
