#!/usr/bin/env python3
"""Measures the kernels of this machine's accelerator in the form that Orrery's cost models are fitted from.

  python3 tools/measure_gpu.py --out results/my-gpu                 everything, 20 to 60 minutes
  python3 tools/measure_gpu.py --out results/my-gpu --only matmul   one family
  python3 tools/measure_gpu.py --list                               what would be measured; needs no torch
  python3 tools/measure_gpu.py --out /tmp/x --device cpu --quick    checks this program on a machine without a GPU

Needs PyTorch 2.3 or newer built for CUDA or ROCm, and nothing else. Writes one CSV per family (columns as in models/calibration/kernels; times
in microseconds) and machine.yaml. Leave the machine otherwise idle; the clocks are not changed. To use the figures, append the rows of
matmul, attention, streaming and collective to the tables in models/calibration/kernels under the device's name in hardware/catalogue."""

import argparse
import json
import pathlib
import re
import sys
from itertools import groupby

from gpu_measurement import plan

FAMILIES = ("matmul", "attention", "streaming", "launch", "training_step", "inference_step", "collective", "power")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FOLDER", help="where the tables go; created when absent")
    parser.add_argument("--list", action="store_true", help="print the plan and stop")
    parser.add_argument("--only", metavar="FAMILY", nargs="+", choices=FAMILIES, default=FAMILIES, help="of: " + ", ".join(FAMILIES))
    parser.add_argument("--device", default="cuda", help="cuda (default; also for ROCm), cuda:1, ..., or cpu with --quick")
    parser.add_argument("--device-name", metavar="NAME", help="name in hardware/catalogue (default: from the driver's name)")
    parser.add_argument("--source", default="measured", help="text of the source column (default: %(default)s)")
    parser.add_argument("--date", default="not given", help="text for machine.yaml, such as 2025-06-30")
    parser.add_argument("--repeats", type=int, default=15, help="timed repeats, of which the median counts (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few tiny cases of each family: checks the program, says nothing of the device")
    options = parser.parse_args(arguments)
    if not options.list and not options.out:
        parser.error("--out FOLDER is missing (or --list)")
    if options.device == "cpu" and not options.quick and not options.list:
        parser.error("--device cpu only checks this program: add --quick")
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    return options


def print_plan(options):
    cases = {
        "matmul": plan.matmul_cases(options.quick),
        "attention": plan.attention_cases(options.quick),
        "streaming": plan.streaming_cases(options.quick),
        "training_step": [plan.model_case(options.quick)],
        "inference_step": [plan.model_case(options.quick)],
        "collective": plan.collective_cases(16, options.quick),  # those of the devices that are there
        "launch": ["host_per_kernel, eager_per_kernel, graph_per_kernel"],
        "power": ["idle, matmul_bf16, copy, attention_bf16: power and clocks from nvidia-smi"],
    }
    for family in options.only:
        print(f"{family}.csv: {plan.SCHEMAS[family]}")
        for case in cases[family]:
            print(f"  {case}")


class Session:
    """One run: the timer, the tables being written, and what was skipped."""

    def __init__(self, options, timer, device_name):
        self.options, self.timer, self.device_name = options, timer, device_name
        self.skipped = []

    def table(self, name):
        return plan.Table(self.options.out, name, self.options.source, self.device_name)

    def attempt(self, label, measure):
        """The measurement, or None where this machine cannot do it; says so on stderr and in machine.yaml."""
        import torch

        from gpu_measurement.kernels import Unavailable

        try:
            return measure()
        except (Unavailable, RuntimeError, TypeError, ImportError) as error:  # what torch raises for what it, the device or the memory lacks
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            print(f"  skipped {label}: {reason}", file=sys.stderr)
            self.skipped.append(f"{label}: {reason}")
        finally:
            if self.timer.gpu:
                torch.cuda.empty_cache()
        return None


def run_kernels(session, family, cases, time, row):
    with session.table(family) as table:
        for case in cases:
            value = session.attempt(str(case), lambda: time(session.timer, case))
            if value is not None:
                table.add(*row(case), value)


def run_steps(session, case, steps):
    common = (case.precision, case.layers, case.hidden, case.heads, case.vocabulary)
    if "training_step" in session.options.only:
        with session.table("training_step") as table:
            for batch in case.batches:
                parts = session.attempt(f"training step, batch {batch}", lambda: steps.training_step(session.timer, case, batch))
                for part, value in (parts or {}).items():
                    table.add(*common, batch, case.sequence, part, value)
    if "inference_step" in session.options.only:
        with session.table("inference_step") as table:
            for batch, context in ((b, c) for b in case.decode_batches for c in case.contexts):
                label = f"inference step, batch {batch}, context {context}"
                times = session.attempt(label, lambda: steps.inference_step(session.timer, case, batch, context))
                for (part, mode), value in (times or {}).items():
                    table.add(*common, batch, context, part, mode, value)


def run_collectives(session, devices):
    from gpu_measurement import collectives

    options = session.options
    cases = plan.collective_cases(devices, options.quick)
    if not cases:
        print("  skipped: collectives need two devices", file=sys.stderr)
        session.skipped.append("collectives: one device")
        return
    with session.table("collective") as table:
        for (ranks, kind), group in groupby(cases, key=lambda case: (case.ranks, case.kind)):
            group = list(group)
            kind_of_device = "cuda" if session.timer.gpu else "cpu"
            session.attempt(f"{kind} over {ranks}", lambda: collectives.measure(
                group, kind_of_device, options.repeats, lambda case, value: table.add(case.kind, case.ranks, 1, case.bytes, value)))


def measure(options):
    import torch

    from gpu_measurement import kernels, steps, timing

    torch.manual_seed(0)
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    facts = timing.describe_machine(options.device)
    timer = timing.Timer(options.device, options.repeats)
    session = Session(options, timer, options.device_name or re.sub(r"[^a-z0-9]+", "-", facts["device"].lower()).strip("-"))
    for family in options.only:
        print(f"{family} ...", file=sys.stderr)
        if family == "matmul":
            run_kernels(session, family, plan.matmul_cases(options.quick), kernels.time_matmul,
                        lambda c: (c.precision, c.batch, c.m, c.n, c.k))
        elif family == "attention":
            run_kernels(session, family, plan.attention_cases(options.quick), kernels.time_attention, lambda c: (
                c.kernel, c.precision, c.direction, c.batch, c.queries, c.keys, c.heads, c.kv_heads, c.head_dim))
        elif family == "streaming":
            run_kernels(session, family, plan.streaming_cases(options.quick), kernels.time_streaming,
                        lambda c: (c.op, c.precision, c.bytes_read, c.bytes_written, c.flops))
        elif family == "launch":
            with session.table(family) as table:
                for quantity, value in (session.attempt(family, lambda: kernels.time_launch(timer)) or {}).items():
                    table.add(quantity, value)
        elif family == "collective":
            run_collectives(session, torch.cuda.device_count() if timer.gpu else 2)
        elif family == "power":
            with session.table(family) as table:
                for load, values in (session.attempt(family, lambda: steps.power_under_load(timer)) or {}).items():
                    table.add(load, *values)
    if {"training_step", "inference_step"} & set(options.only):
        run_steps(session, plan.model_case(options.quick), steps)
    write_machine(session, facts)


def write_machine(session, facts):
    options = session.options
    lines = {"name": session.device_name, "source": options.source, "date": options.date, "repeats": str(options.repeats)} | facts
    if options.quick:
        lines["warning"] = "--quick: a check of the program, not a measurement"
    if session.timer.uncaptured:
        lines["launched_one_by_one"] = f"{session.timer.uncaptured} cases could not be captured into a graph; host time is in them"
    # A JSON string is a YAML string.
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())
    text += "skipped:" + ("".join(f"\n  - {json.dumps(entry)}" for entry in session.skipped) or " []") + "\n"
    (pathlib.Path(options.out) / "machine.yaml").write_text(text, encoding="utf-8")


def main(arguments=None):
    options = parse(arguments)
    if options.list:
        print_plan(options)
        return 0
    try:
        import torch
    except ImportError:
        print("measure_gpu: PyTorch is not installed for this Python; install it for your GPU (any release from 2.3), or use --list",
              file=sys.stderr)
        return 2
    if options.device != "cpu" and not torch.cuda.is_available():
        print(f"measure_gpu: torch {torch.__version__} sees no CUDA or ROCm device; --device cpu --quick only checks this program",
              file=sys.stderr)
        return 2
    measure(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
